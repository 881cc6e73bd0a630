-- Takes a refund over into the counts, under the lock of the account's lifetime row, when everything is counted. Cost is net of refunds;
-- an event that is given back whole is counted under `refunded` from then on. A row that counts nothing more is deleted: a recount would
-- not know it.
WITH refund AS MATERIALIZED (
    UPDATE usage_event SET refunded_nanos = refunded_nanos + %(amount)s
    WHERE account_id = %(account)s AND event_id = %(event)s COLLATE "C"
    RETURNING refunded_nanos = charged_nanos AS is_whole
), moved AS MATERIALIZED (
    -- What leaves the row of the event's status, beside its cost: nothing, while something of the charge is left. The view says what the
    -- event has counted as until now; what it costs is costed whole, or not at all.
    SELECT account_id, day, starts_at, model_id, api_key_id, endpoint, status, %(amount)s::bigint AS amount_nanos,
        least(costed_nanos, %(amount)s::bigint) AS costed_nanos, is_whole,
        CASE WHEN is_whole THEN events ELSE 0 END AS events,
        CASE WHEN is_whole THEN input_tokens ELSE 0 END AS input_tokens,
        CASE WHEN is_whole THEN output_tokens ELSE 0 END AS output_tokens,
        CASE WHEN is_whole THEN cache_read_tokens ELSE 0 END AS cache_read_tokens,
        CASE WHEN is_whole THEN cache_write_tokens ELSE 0 END AS cache_write_tokens,
        CASE WHEN is_whole THEN reasoning_tokens ELSE 0 END AS reasoning_tokens,
        CASE WHEN is_whole THEN provider_cost_nanos ELSE 0 END AS provider_cost_nanos
    FROM usage_counted_event CROSS JOIN refund
    WHERE account_id = %(account)s AND event_id = %(event)s COLLATE "C"
), ended_day AS (
    DELETE FROM usage_day d USING moved m
    WHERE (d.account_id, d.day, d.model_id, d.api_key_id, d.endpoint, d.status)
        = (m.account_id, m.day, m.model_id, m.api_key_id, m.endpoint, m.status) AND d.events = m.events
), lowered_day AS (
    UPDATE usage_day d SET events = d.events - m.events, input_tokens = d.input_tokens - m.input_tokens,
        output_tokens = d.output_tokens - m.output_tokens, cache_read_tokens = d.cache_read_tokens - m.cache_read_tokens,
        cache_write_tokens = d.cache_write_tokens - m.cache_write_tokens, reasoning_tokens = d.reasoning_tokens - m.reasoning_tokens,
        cost_nanos = d.cost_nanos - m.amount_nanos, provider_cost_nanos = d.provider_cost_nanos - m.provider_cost_nanos,
        costed_nanos = d.costed_nanos - m.costed_nanos
    FROM moved m
    WHERE (d.account_id, d.day, d.model_id, d.api_key_id, d.endpoint, d.status)
        = (m.account_id, m.day, m.model_id, m.api_key_id, m.endpoint, m.status) AND d.events <> m.events
), refunded_day AS (
    INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    SELECT account_id, day, model_id, api_key_id, endpoint, 'refunded', events, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, 0, provider_cost_nanos, 0
    FROM moved WHERE is_whole
    ON CONFLICT (account_id, day, model_id, api_key_id, endpoint, status) DO UPDATE SET
        events = usage_day.events + excluded.events,
        input_tokens = usage_day.input_tokens + excluded.input_tokens,
        output_tokens = usage_day.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_day.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_day.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_day.reasoning_tokens + excluded.reasoning_tokens,
        provider_cost_nanos = usage_day.provider_cost_nanos + excluded.provider_cost_nanos
), ended_quarter AS (
    DELETE FROM usage_quarter q USING moved m
    WHERE (q.account_id, q.starts_at, q.model_id, q.api_key_id, q.endpoint, q.status)
        = (m.account_id, m.starts_at, m.model_id, m.api_key_id, m.endpoint, m.status) AND q.events = m.events
), lowered_quarter AS (
    UPDATE usage_quarter q SET events = q.events - m.events, input_tokens = q.input_tokens - m.input_tokens,
        output_tokens = q.output_tokens - m.output_tokens, cache_read_tokens = q.cache_read_tokens - m.cache_read_tokens,
        cache_write_tokens = q.cache_write_tokens - m.cache_write_tokens, reasoning_tokens = q.reasoning_tokens - m.reasoning_tokens,
        cost_nanos = q.cost_nanos - m.amount_nanos, provider_cost_nanos = q.provider_cost_nanos - m.provider_cost_nanos,
        costed_nanos = q.costed_nanos - m.costed_nanos
    FROM moved m
    WHERE (q.account_id, q.starts_at, q.model_id, q.api_key_id, q.endpoint, q.status)
        = (m.account_id, m.starts_at, m.model_id, m.api_key_id, m.endpoint, m.status) AND q.events <> m.events
), refunded_quarter AS (
    INSERT INTO usage_quarter (account_id, starts_at, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    SELECT account_id, starts_at, model_id, api_key_id, endpoint, 'refunded', events, input_tokens, output_tokens, cache_read_tokens,
        cache_write_tokens, reasoning_tokens, 0, provider_cost_nanos, 0
    FROM moved WHERE is_whole
    ON CONFLICT (account_id, starts_at, model_id, api_key_id, endpoint, status) DO UPDATE SET
        events = usage_quarter.events + excluded.events,
        input_tokens = usage_quarter.input_tokens + excluded.input_tokens,
        output_tokens = usage_quarter.output_tokens + excluded.output_tokens,
        cache_read_tokens = usage_quarter.cache_read_tokens + excluded.cache_read_tokens,
        cache_write_tokens = usage_quarter.cache_write_tokens + excluded.cache_write_tokens,
        reasoning_tokens = usage_quarter.reasoning_tokens + excluded.reasoning_tokens,
        provider_cost_nanos = usage_quarter.provider_cost_nanos + excluded.provider_cost_nanos
)
UPDATE usage_lifetime l SET cost_nanos = l.cost_nanos - m.amount_nanos, costed_nanos = l.costed_nanos - m.costed_nanos
FROM moved m WHERE l.account_id = m.account_id
