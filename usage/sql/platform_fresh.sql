-- What the quarter-hours of these accounts say by UTC day, from `since` on, and what their lifetimes say at the same moment: one
-- statement, one snapshot. An account that has no quarter-hour since then has a row without a day.
CREATE TEMPORARY TABLE fresh_day ON COMMIT DROP AS
SELECT asked.account_id, coalesce(l.events, 0) AS all_events, coalesce(l.cost_nanos, 0) AS all_cost_nanos, q.*
FROM unnest(%(accounts)s::bigint[]) AS asked (account_id) LEFT JOIN usage_lifetime l USING (account_id) LEFT JOIN LATERAL (
    SELECT (starts_at AT TIME ZONE 'UTC')::date AS day, model_id, api_key_id, status, sum(events)::bigint AS events,
        sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
        sum(cache_read_tokens)::bigint AS cache_read_tokens, sum(cache_write_tokens)::bigint AS cache_write_tokens,
        sum(reasoning_tokens)::bigint AS reasoning_tokens, sum(cost_nanos)::bigint AS cost_nanos,
        sum(provider_cost_nanos)::bigint AS provider_cost_nanos, sum(costed_nanos)::bigint AS costed_nanos
    FROM usage_quarter WHERE account_id = asked.account_id AND starts_at >= %(since)s
    GROUP BY 1, 2, 3, 4
) q ON true
