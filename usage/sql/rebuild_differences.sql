-- Where a roll-up is no recount of the counted events of some accounts: what it has kept, and what is counted; NULL where there is no row.
WITH counted AS (
    SELECT {of_event}, ARRAY[count(*), sum(input_tokens), sum(output_tokens), sum(cache_read_tokens), sum(cache_write_tokens),
        sum(reasoning_tokens), sum(charged_nanos - refunded_nanos), coalesce(sum(provider_cost_nanos), 0),
        coalesce(sum(charged_nanos - refunded_nanos) FILTER (WHERE provider_cost_nanos IS NOT NULL), 0)]::bigint[] AS counts
    FROM usage_event e WHERE account_id BETWEEN %(low)s AND %(high)s AND {of_event_since}
        AND NOT EXISTS (SELECT FROM usage_uncounted u WHERE u.account_id = e.account_id AND u.block = e.id / 8192)
    GROUP BY {places}
), kept AS (
    SELECT {keys}, ARRAY[{counts}] AS counts FROM {table} WHERE account_id BETWEEN %(low)s AND %(high)s AND {kept_since}
)
SELECT {keys}, kept.counts AS kept, counted.counts AS counted
FROM counted FULL JOIN kept USING ({keys})
WHERE kept.counts IS DISTINCT FROM counted.counts
