-- Each UTC day of the platform is the sum of its accounts' days. It belongs to no customer: it is looked at as account 0, by runs over all.
SELECT 0::bigint AS account_id, format('UTC day %%s of model %%s, %%s: the platform''s counts are not the sum of the accounts''', day, model_id,
        status) AS detail
FROM (
    SELECT day, model_id, status, sum(sign * events) AS events, sum(sign * input_tokens) AS input_tokens,
        sum(sign * output_tokens) AS output_tokens, sum(sign * cache_read_tokens) AS cache_read_tokens,
        sum(sign * cache_write_tokens) AS cache_write_tokens, sum(sign * reasoning_tokens) AS reasoning_tokens,
        sum(sign * cost_nanos) AS cost_nanos, sum(sign * provider_cost_nanos) AS provider_cost_nanos,
        sum(sign * costed_nanos) AS costed_nanos
    FROM (
        SELECT 1 AS sign, day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
            reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
        FROM usage_account_day WHERE 0 BETWEEN %(low)s AND %(high)s
        UNION ALL
        SELECT -1, day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
            reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
        FROM usage_platform_day WHERE 0 BETWEEN %(low)s AND %(high)s
    ) rows
    GROUP BY 1, 2, 3
) difference
WHERE (events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos,
    costed_nanos) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
