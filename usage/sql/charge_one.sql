-- One event, written, booked and counted in one round trip: a temporary table would cost more than it saves.
DROP FUNCTION IF EXISTS usage_charge_one;
CREATE FUNCTION usage_charge_one(
    p_account bigint, p_event_id text, p_fingerprint uuid, p_api_key bigint, p_model bigint, p_version bigint, p_multiplier bigint,
    p_status text,
    p_input bigint, p_output bigint, p_cache_read bigint, p_cache_write bigint, p_reasoning bigint, p_requests bigint, p_images bigint,
    p_seconds bigint, p_cost bigint, p_provider_cost bigint, p_endpoint text, p_metadata jsonb, p_local_date date, p_hold text,
    p_occurred_at timestamptz, p_now timestamptz, p_amount_max bigint
) RETURNS charge_answer LANGUAGE plpgsql AS $$
DECLARE
    a charge_answer;
BEGIN
    -- The event's key comes before the wallet's lock, as in a batch.
    INSERT INTO usage_event (id, account_id, event_id, fingerprint, api_key_id, model_id, price_version_id, multiplier_id,
        status, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos, charged_nanos,
        absorbed_nanos, provider_cost_nanos, endpoint, metadata, local_date, hold, occurred_at, created_at)
    VALUES (nextval('usage_event_block') * 8192, p_account, p_event_id, p_fingerprint, p_api_key, p_model, p_version, p_multiplier,
        p_status, p_input,
        p_output, p_cache_read, p_cache_write, p_reasoning, p_requests, p_images, p_seconds, p_cost, p_cost,
        0, p_provider_cost, p_endpoint, p_metadata, p_local_date, p_hold, p_occurred_at, p_now)
    ON CONFLICT (account_id, event_id) DO NOTHING;
    IF NOT FOUND THEN
        a.outcome := 'known';
        RETURN a;
    END IF;
    a := ledger_charge_one(p_account, p_event_id, p_cost, p_occurred_at, p_api_key, p_hold, p_now, p_amount_max);
    IF a.outcome <> 'charged' THEN
        DELETE FROM usage_event WHERE account_id = p_account AND event_id = p_event_id COLLATE "C";
        RETURN a;
    END IF;
    IF a.flag IS NOT NULL OR a.charged_nanos <> p_cost OR a.api_key_id IS DISTINCT FROM p_api_key THEN
        UPDATE usage_event SET flag = a.flag, charged_nanos = a.charged_nanos, absorbed_nanos = p_cost - a.charged_nanos,
            api_key_id = a.api_key_id
        WHERE account_id = p_account AND event_id = p_event_id COLLATE "C";
    END IF;

    INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    VALUES (p_account, p_local_date, p_model, coalesce(a.api_key_id, 0), p_endpoint, p_status, 1, p_input, p_output, p_cache_read,
        p_cache_write, p_reasoning, a.charged_nanos, coalesce(p_provider_cost, 0),
        CASE WHEN p_provider_cost IS NULL THEN 0 ELSE a.charged_nanos END)
    ON CONFLICT (account_id, day, model_id, api_key_id, endpoint, status) DO UPDATE SET
        events = usage_day.events + 1,
        input_tokens = usage_day.input_tokens + excluded.input_tokens,
        output_tokens = usage_day.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_day.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_day.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
        cost_nanos = usage_day.cost_nanos + excluded.cost_nanos,
        provider_cost_nanos = usage_day.provider_cost_nanos + excluded.provider_cost_nanos,
        costed_nanos = usage_day.costed_nanos + excluded.costed_nanos;
    INSERT INTO usage_quarter (account_id, starts_at, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    VALUES (p_account, date_bin('15 minutes', p_occurred_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'), p_model, coalesce(a.api_key_id, 0),
        p_endpoint, p_status, 1, p_input, p_output, p_cache_read, p_cache_write, p_reasoning, a.charged_nanos, coalesce(p_provider_cost, 0),
        CASE WHEN p_provider_cost IS NULL THEN 0 ELSE a.charged_nanos END)
    ON CONFLICT (account_id, starts_at, model_id, api_key_id, endpoint, status) DO UPDATE SET
        events = usage_quarter.events + 1,
        input_tokens = usage_quarter.input_tokens + excluded.input_tokens,
        output_tokens = usage_quarter.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_quarter.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_quarter.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_quarter.reasoning_tokens + excluded.reasoning_tokens,
        cost_nanos = usage_quarter.cost_nanos + excluded.cost_nanos,
        provider_cost_nanos = usage_quarter.provider_cost_nanos + excluded.provider_cost_nanos,
        costed_nanos = usage_quarter.costed_nanos + excluded.costed_nanos;
    INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
        cost_nanos, provider_cost_nanos, costed_nanos)
    VALUES (p_account, 1, p_input, p_output, p_cache_read, p_cache_write, p_reasoning, a.charged_nanos, coalesce(p_provider_cost, 0),
        CASE WHEN p_provider_cost IS NULL THEN 0 ELSE a.charged_nanos END)
    ON CONFLICT (account_id) DO UPDATE SET
        events = usage_lifetime.events + 1,
        input_tokens = usage_lifetime.input_tokens + excluded.input_tokens,
        output_tokens = usage_lifetime.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_lifetime.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_lifetime.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_lifetime.reasoning_tokens + excluded.reasoning_tokens,
        cost_nanos = usage_lifetime.cost_nanos + excluded.cost_nanos,
        provider_cost_nanos = usage_lifetime.provider_cost_nanos + excluded.provider_cost_nanos,
        costed_nanos = usage_lifetime.costed_nanos + excluded.costed_nanos;
    RETURN a;
END
$$;
