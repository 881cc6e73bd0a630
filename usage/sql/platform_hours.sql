-- The last hours of all accounts, counted anew.
INSERT INTO usage_platform_hour (starts_at, model_id, status, events, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
SELECT date_trunc('hour', starts_at, 'UTC'), model_id, status, sum(events), sum(input_tokens), sum(output_tokens),
    sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost_nanos), sum(provider_cost_nanos), sum(costed_nanos)
FROM usage_quarter WHERE starts_at >= %(since)s
GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
