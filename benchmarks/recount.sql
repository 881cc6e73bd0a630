-- The roll-ups of the accounts in bench_pattern, counted anew from all of their events: none is left to be counted after it. None of these
-- events has failed or was refunded.
DELETE FROM usage_uncounted WHERE account_id IN (SELECT account_id FROM bench_pattern);
DELETE FROM usage_day WHERE account_id IN (SELECT account_id FROM bench_pattern);
DELETE FROM usage_quarter WHERE account_id IN (SELECT account_id FROM bench_pattern);
DELETE FROM usage_lifetime WHERE account_id IN (SELECT account_id FROM bench_pattern);

INSERT INTO usage_quarter (account_id, starts_at, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens,
    cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
SELECT account_id, date_bin('15 minutes', occurred_at, TIMESTAMPTZ '2000-01-01 00:00:00+00'), model_id, coalesce(api_key_id, 0), endpoint,
    status, count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens),
    sum(charged_nanos), coalesce(sum(provider_cost_nanos), 0), coalesce(sum(charged_nanos) FILTER (WHERE provider_cost_nanos IS NOT NULL), 0)
FROM usage_event WHERE account_id IN (SELECT account_id FROM bench_pattern)
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2, 1;

-- Their accounts keep UTC, so a day is 96 quarters.
INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens, cache_read_tokens,
    cache_write_tokens, reasoning_tokens, cost_nanos, provider_cost_nanos, costed_nanos)
SELECT account_id, (starts_at AT TIME ZONE 'UTC')::date, model_id, api_key_id, endpoint, status, sum(events), sum(input_tokens),
    sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(reasoning_tokens), sum(cost_nanos), sum(provider_cost_nanos),
    sum(costed_nanos)
FROM usage_quarter WHERE account_id IN (SELECT account_id FROM bench_pattern)
GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 2, 1;

INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    cost_nanos, provider_cost_nanos, costed_nanos)
SELECT account_id, sum(events), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
    sum(reasoning_tokens), sum(cost_nanos), sum(provider_cost_nanos), sum(costed_nanos)
FROM usage_day WHERE account_id IN (SELECT account_id FROM bench_pattern)
GROUP BY 1;
