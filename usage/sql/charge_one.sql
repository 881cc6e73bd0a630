-- One event, written, booked and marked as not counted yet, in one round trip: a temporary table would cost more than it saves.
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
    own_block CONSTANT bigint := nextval('usage_event_block');
BEGIN
    -- The event's key comes before the wallet's lock, as in a batch.
    INSERT INTO usage_event (id, account_id, event_id, fingerprint, api_key_id, model_id, price_version_id, multiplier_id,
        status, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos, charged_nanos,
        absorbed_nanos, provider_cost_nanos, endpoint, metadata, local_date, hold, occurred_at, created_at)
    VALUES (own_block * 8192, p_account, p_event_id, p_fingerprint, p_api_key, p_model, p_version, p_multiplier,
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

    INSERT INTO usage_uncounted (account_id, block, received_at, events) VALUES (p_account, own_block, p_now, 1);
    RETURN a;
END
$$;
