-- UTC days of an account are a recount of its quarter-hours, where all of its lifetime is folded; and what is folded is their sum.
WITH kept AS MATERIALIZED (
    SELECT * FROM usage_account_day WHERE account_id BETWEEN %(low)s AND %(high)s
)
SELECT account_id, format('usage of UTC day %%s: counted %%s events and %%s nanos, kept %%s and %%s', day, counted.events, counted.cost_nanos,
        kept.events, kept.cost_nanos) AS detail
FROM (
    SELECT account_id, (starts_at AT TIME ZONE 'UTC')::date AS day, model_id, api_key_id, status, sum(events)::bigint AS events,
        sum(input_tokens)::bigint AS input_tokens, sum(output_tokens)::bigint AS output_tokens,
        sum(cache_read_tokens)::bigint AS cache_read_tokens, sum(cache_write_tokens)::bigint AS cache_write_tokens,
        sum(reasoning_tokens)::bigint AS reasoning_tokens, sum(cost_nanos)::bigint AS cost_nanos,
        sum(provider_cost_nanos)::bigint AS provider_cost_nanos, sum(costed_nanos)::bigint AS costed_nanos
    FROM usage_quarter WHERE account_id BETWEEN %(low)s AND %(high)s
    GROUP BY 1, 2, 3, 4, 5
) counted
FULL JOIN kept USING (account_id, day, model_id, api_key_id, status)
JOIN usage_folded f USING (account_id)
JOIN usage_lifetime l USING (account_id)
WHERE (f.events, f.cost_nanos) = (l.events, l.cost_nanos)
    AND (counted.events, counted.input_tokens, counted.output_tokens, counted.cache_read_tokens, counted.cache_write_tokens,
        counted.reasoning_tokens, counted.cost_nanos, counted.provider_cost_nanos, counted.costed_nanos)
        IS DISTINCT FROM (kept.events, kept.input_tokens, kept.output_tokens, kept.cache_read_tokens, kept.cache_write_tokens,
        kept.reasoning_tokens, kept.cost_nanos, kept.provider_cost_nanos, kept.costed_nanos)
UNION ALL
SELECT account_id, format('%%s events and %%s nanos are folded, UTC days sum to %%s and %%s', coalesce(f.events, 0),
        coalesce(f.cost_nanos, 0), coalesce(summed.events, 0), coalesce(summed.cost_nanos, 0))
FROM (SELECT account_id, sum(events) AS events, sum(cost_nanos) AS cost_nanos FROM kept GROUP BY account_id) summed
FULL JOIN (SELECT * FROM usage_folded WHERE account_id BETWEEN %(low)s AND %(high)s) f USING (account_id)
WHERE (coalesce(summed.events, 0), coalesce(summed.cost_nanos, 0)) <> (coalesce(f.events, 0), coalesce(f.cost_nanos, 0))
