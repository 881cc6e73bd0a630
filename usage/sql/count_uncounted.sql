-- Count events that are booked and not counted yet, of accounts whose lifetime rows are locked: each block once, since counting it and
-- taking its mark away is one statement. What was given back meanwhile is counted as given back.
WITH taken AS MATERIALIZED (
    DELETE FROM usage_uncounted u USING (
        SELECT account_id, block, sum(events) OVER (ORDER BY account_id, block ROWS UNBOUNDED PRECEDING) - events AS before
        FROM usage_uncounted WHERE account_id = ANY(%(accounts)s)
    ) waiting
    WHERE waiting.before < %(events_max)s AND u.account_id = waiting.account_id AND u.block = waiting.block
    RETURNING u.account_id, u.block, u.received_at
), counted AS MATERIALIZED (
    SELECT e.* FROM taken CROSS JOIN LATERAL (
        -- OFFSET 0: one range of the primary key per block, whatever the planner would think of a join.
        SELECT * FROM usage_counted_event e
        WHERE e.account_id = taken.account_id AND e.created_at = taken.received_at
            AND e.id BETWEEN taken.block * 8192 AND taken.block * 8192 + 8191
        OFFSET 0
    ) e
), days AS (
    INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
        cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
    SELECT account_id, day, model_id, api_key_id, endpoint, status, sum(events), sum(input_tokens), sum(output_tokens),
        sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost_nanos),
        sum(provider_cost_nanos), sum(costed_nanos)
    FROM counted GROUP BY account_id, day, model_id, api_key_id, endpoint, status
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
    SELECT account_id, starts_at, model_id, api_key_id, endpoint, status, sum(events), sum(input_tokens), sum(output_tokens),
        sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost_nanos),
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
), lifetimes AS (
    INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
        cost_nanos, provider_cost_nanos, costed_nanos)
    SELECT account_id, sum(events), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
        sum(reasoning_tokens), sum(cost_nanos), sum(provider_cost_nanos), sum(costed_nanos)
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
)
SELECT (SELECT count(*) FROM taken) AS marks, (SELECT count(*) FROM counted) AS events
