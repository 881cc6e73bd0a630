-- Put the fresh days in the place of the kept ones, and move the platform's days by the difference.
INSERT INTO usage_platform_day AS p (day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
    reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
SELECT day, model_id, status, sum(sign * events), sum(sign * input_tokens), sum(sign * output_tokens), sum(sign * cache_read_tokens),
    sum(sign * cache_write_tokens), sum(sign * reasoning_tokens), sum(sign * cost_nanos), sum(sign * provider_cost_nanos),
    sum(sign * costed_nanos)
FROM (
    SELECT 1 AS sign, day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
    FROM fresh_day WHERE day IS NOT NULL AND account_id IN (SELECT account_id FROM fresh_account)
    UNION ALL
    SELECT -1, day, model_id, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens,
        reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
    FROM usage_account_day WHERE account_id IN (SELECT account_id FROM fresh_account) AND day >= %(since_day)s
) moved
GROUP BY day, model_id, status ORDER BY day, model_id, status
ON CONFLICT (day, model_id, status) DO UPDATE SET
    events = p.events + excluded.events,
    input_tokens = p.input_tokens + excluded.input_tokens,
    output_tokens = p.output_tokens + excluded.output_tokens,
    cache_read_tokens = p.cache_read_tokens + excluded.cache_read_tokens,
    cache_write_tokens = p.cache_write_tokens + excluded.cache_write_tokens,
    reasoning_tokens = p.reasoning_tokens + excluded.reasoning_tokens,
    cost_nanos = p.cost_nanos + excluded.cost_nanos,
    provider_cost_nanos = p.provider_cost_nanos + excluded.provider_cost_nanos,
    costed_nanos = p.costed_nanos + excluded.costed_nanos;

DELETE FROM usage_account_day WHERE account_id IN (SELECT account_id FROM fresh_account) AND day >= %(since_day)s;

INSERT INTO usage_account_day (account_id, day, model_id, api_key_id, status, events, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
SELECT account_id, day, model_id, api_key_id, status, events, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos
FROM fresh_day WHERE day IS NOT NULL AND account_id IN (SELECT account_id FROM fresh_account)
ORDER BY account_id, day, model_id, api_key_id, status;

INSERT INTO usage_folded (account_id, events, cost_nanos)
SELECT account_id, events, cost_nanos FROM fresh_account ORDER BY account_id
ON CONFLICT (account_id) DO UPDATE SET events = excluded.events, cost_nanos = excluded.cost_nanos;
