-- Quarter-hour roll-ups are a recount of the events that are counted.
SELECT coalesce(counted.account_id, kept.account_id) AS account_id,
    format('usage_quarter of %%s: counted %%s events and %%s nanos, kept %%s and %%s', coalesce(counted.starts_at, kept.starts_at), counted.events,
        counted.cost_nanos, kept.events, kept.cost_nanos) AS detail
FROM (
    SELECT account_id, date_bin('15 minutes', occurred_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS starts_at, model_id, coalesce(api_key_id, 0) AS api_key_id, endpoint,
        CASE WHEN refunded_nanos = charged_nanos AND charged_nanos > 0 THEN 'refunded' ELSE status END AS status, count(*) AS events,
        sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
        sum(cache_read_tokens)::bigint AS cache_read_tokens, sum(cache_write_tokens)::bigint AS cache_write_tokens,
        sum(reasoning_tokens)::bigint AS reasoning_tokens, sum(charged_nanos - refunded_nanos)::bigint AS cost_nanos,
        coalesce(sum(provider_cost_nanos), 0)::bigint AS provider_cost_nanos,
        coalesce(sum(charged_nanos - refunded_nanos) FILTER (WHERE provider_cost_nanos IS NOT NULL), 0)::bigint AS costed_nanos
    FROM usage_event e WHERE account_id BETWEEN %(low)s AND %(high)s
        AND NOT EXISTS (SELECT FROM usage_uncounted u WHERE u.account_id = e.account_id AND u.block = e.id / 8192)
    GROUP BY 1, 2, 3, 4, 5, 6
) counted
FULL JOIN (SELECT * FROM usage_quarter WHERE account_id BETWEEN %(low)s AND %(high)s) kept
    USING (account_id, starts_at, model_id, api_key_id, endpoint, status)
WHERE (counted.events, counted.input_tokens, counted.output_tokens, counted.cache_read_tokens, counted.cache_write_tokens,
    counted.reasoning_tokens, counted.cost_nanos, counted.provider_cost_nanos, counted.costed_nanos)
    IS DISTINCT FROM (kept.events, kept.input_tokens, kept.output_tokens, kept.cache_read_tokens, kept.cache_write_tokens,
    kept.reasoning_tokens, kept.cost_nanos, kept.provider_cost_nanos, kept.costed_nanos)
