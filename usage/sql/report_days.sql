-- One account's days, counted by day and by model in one pass over one range of the roll-up's key: both add up to the same.
SELECT counted.day, model.code, model.name, counted.events, counted.input_tokens, counted.output_tokens, counted.total_tokens,
    counted.cost_nanos
FROM (
    SELECT day, model_id, sum(events)::bigint AS events, sum(input_tokens)::bigint AS input_tokens,
        sum(output_tokens)::bigint AS output_tokens,
        sum(input_tokens + output_tokens + cache_read_tokens + cache_write_tokens + reasoning_tokens)::bigint AS total_tokens,
        sum(cost_nanos)::bigint AS cost_nanos
    FROM usage_day WHERE account_id = %(account)s AND day BETWEEN %(first)s AND %(last)s
    GROUP BY GROUPING SETS ((day), (model_id))
) counted
LEFT JOIN usage_aimodel model ON model.id = counted.model_id
ORDER BY counted.day, counted.cost_nanos DESC, model.code
