-- What a limit has counted is a recount from entries and holds, from the oldest bucket that counts at the wallet's clock on; a wallet
-- says that it has limits exactly where it has some; no bucket counts for a limit that is not there.
SELECT l.account_id, format('limit %%s counts %%s in the bucket at %%s, its entries and holds say %%s', l.id, told.counted,
    told.starts_at, told.recounted) AS detail
FROM spending_limit l JOIN wallet w USING (account_id) CROSS JOIN LATERAL (
    SELECT starts_at, coalesce(b.nanos, 0) AS counted, coalesce(r.nanos, 0) AS recounted
    FROM limit_recount(l, w.clock_at) r FULL JOIN (
        SELECT starts_at, nanos FROM limit_bucket
        WHERE account_id = l.account_id AND limit_id = l.id
            AND starts_at >= limit_counts_since(l.strategy, l.duration, l.zone, w.clock_at)
    ) b USING (starts_at)
) told
WHERE l.account_id BETWEEN %(low)s AND %(high)s AND told.counted <> told.recounted
UNION ALL
SELECT w.account_id, format('has_limits is %%s', w.has_limits)
FROM wallet w
WHERE w.account_id BETWEEN %(low)s AND %(high)s
    AND w.has_limits <> EXISTS (SELECT FROM spending_limit l WHERE l.account_id = w.account_id)
UNION ALL
SELECT DISTINCT b.account_id, format('buckets count for limit %%s, which is not there', b.limit_id)
FROM limit_bucket b
WHERE b.account_id BETWEEN %(low)s AND %(high)s
    AND NOT EXISTS (SELECT FROM spending_limit l WHERE l.id = b.limit_id AND l.account_id = b.account_id)
