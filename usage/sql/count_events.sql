-- Roll-ups of what was booked, under the wallets' locks, by the key that the ledger found.
WITH counted AS MATERIALIZED (
    SELECT s.account_id, s.local_date, date_bin('15 minutes', s.occurred_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS starts_at,
        s.model_id, coalesce(f.api_key_id, 0) AS api_key_id, s.endpoint, s.status, s.input_tokens, s.output_tokens,
        s.cache_read_tokens, s.cache_write_tokens, s.reasoning_tokens, f.charged_nanos,
        coalesce(s.provider_cost_nanos, 0) AS provider_cost_nanos,
        CASE WHEN s.provider_cost_nanos IS NULL THEN 0 ELSE f.charged_nanos END AS costed_nanos
    FROM staged_event s JOIN fresh_charge f USING (position)
), days AS (
    INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    SELECT account_id, local_date, model_id, api_key_id, endpoint, status, count(*), sum(input_tokens), sum(output_tokens),
        sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(charged_nanos),
        sum(provider_cost_nanos), sum(costed_nanos)
    FROM counted GROUP BY account_id, local_date, model_id, api_key_id, endpoint, status
    ON CONFLICT (account_id, day, model_id, api_key_id, endpoint, status) DO UPDATE SET
        events = usage_day.events + excluded.events,
        input_tokens = usage_day.input_tokens + excluded.input_tokens,
        output_tokens = usage_day.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_day.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_day.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
        cost_nanos = usage_day.cost_nanos + excluded.cost_nanos,
        provider_cost_nanos = usage_day.provider_cost_nanos + excluded.provider_cost_nanos,
        costed_nanos = usage_day.costed_nanos + excluded.costed_nanos
), quarters AS (
    INSERT INTO usage_quarter (account_id, starts_at, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    SELECT account_id, starts_at, model_id, api_key_id, endpoint, status, count(*), sum(input_tokens), sum(output_tokens),
        sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(charged_nanos),
        sum(provider_cost_nanos), sum(costed_nanos)
    FROM counted GROUP BY account_id, starts_at, model_id, api_key_id, endpoint, status
    ON CONFLICT (account_id, starts_at, model_id, api_key_id, endpoint, status) DO UPDATE SET
        events = usage_quarter.events + excluded.events,
        input_tokens = usage_quarter.input_tokens + excluded.input_tokens,
        output_tokens = usage_quarter.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_quarter.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_quarter.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_quarter.reasoning_tokens + excluded.reasoning_tokens,
        cost_nanos = usage_quarter.cost_nanos + excluded.cost_nanos,
        provider_cost_nanos = usage_quarter.provider_cost_nanos + excluded.provider_cost_nanos,
        costed_nanos = usage_quarter.costed_nanos + excluded.costed_nanos
)
INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    cost_nanos, provider_cost_nanos, costed_nanos)
SELECT account_id, count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
    sum(reasoning_tokens), sum(charged_nanos),
        sum(provider_cost_nanos), sum(costed_nanos)
FROM counted GROUP BY account_id
ON CONFLICT (account_id) DO UPDATE SET
    events = usage_lifetime.events + excluded.events,
    input_tokens = usage_lifetime.input_tokens + excluded.input_tokens,
    output_tokens = usage_lifetime.output_tokens + excluded.output_tokens,
    cache_read_tokens = usage_lifetime.cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = usage_lifetime.cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = usage_lifetime.reasoning_tokens + excluded.reasoning_tokens,
    cost_nanos = usage_lifetime.cost_nanos + excluded.cost_nanos,
    provider_cost_nanos = usage_lifetime.provider_cost_nanos + excluded.provider_cost_nanos,
    costed_nanos = usage_lifetime.costed_nanos + excluded.costed_nanos
