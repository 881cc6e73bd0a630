-- Move the platform's days by what they differ from the sums of the accounts'.
INSERT INTO usage_platform_day AS p (day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
SELECT day, model_id, status, sum(sign * events), sum(sign * input_tokens), sum(sign * output_tokens), sum(sign * cache_read_tokens),
    sum(sign * cache_write_tokens), sum(sign * reasoning_tokens), sum(sign * cost_nanos), sum(sign * provider_cost_nanos),
    sum(sign * costed_nanos)
FROM (
    SELECT 1 AS sign, day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
    FROM usage_account_day
    UNION ALL
    SELECT -1, day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
    FROM usage_platform_day
) moved
GROUP BY day, model_id, status
HAVING (sum(sign * events), sum(sign * input_tokens), sum(sign * output_tokens), sum(sign * cache_read_tokens),
    sum(sign * cache_write_tokens), sum(sign * reasoning_tokens), sum(sign * cost_nanos), sum(sign * provider_cost_nanos),
    sum(sign * costed_nanos)) <> (0, 0, 0, 0, 0, 0, 0, 0, 0)
ORDER BY day, model_id, status
ON CONFLICT (day, model_id, status) DO UPDATE SET
    events = p.events + excluded.events,
    input_tokens = p.input_tokens + excluded.input_tokens,
    output_tokens = p.output_tokens + excluded.output_tokens,
    cache_read_tokens = p.cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = p.cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = p.reasoning_tokens + excluded.reasoning_tokens,
    cost_nanos = p.cost_nanos + excluded.cost_nanos,
    provider_cost_nanos = p.provider_cost_nanos + excluded.provider_cost_nanos,
    costed_nanos = p.costed_nanos + excluded.costed_nanos
