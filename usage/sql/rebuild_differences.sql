-- Where a roll-up is no recount of the events that bear no mark: what it has kept, and what is counted; NULL where there is no row.
WITH counted AS (
    SELECT {keys}, ARRAY[{sums}]::bigint[] AS counts
    FROM usage_counted_event e WHERE account_id BETWEEN %(low)s AND %(high)s AND {since} AND {reported_since}
        AND NOT EXISTS (SELECT FROM usage_uncounted u WHERE u.account_id = e.account_id AND u.block = e.block)
    GROUP BY {keys}
), kept AS (
    SELECT {keys}, ARRAY[{counts}] AS counts FROM {table} WHERE account_id BETWEEN %(low)s AND %(high)s AND {since}
)
SELECT {keys}, kept.counts AS kept, counted.counts AS counted
FROM counted FULL JOIN kept USING ({keys})
WHERE kept.counts IS DISTINCT FROM coalesce(counted.counts, {nothing})
