-- Pay rows tile (0, spent]: no position is covered twice, none is not covered.
SELECT account_id, format('pay row %%s begins at %%s and not at %%s', id, from_nanos, end_before) AS detail
FROM (
    SELECT account_id, id, from_nanos, lag(to_nanos, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY to_nanos) AS end_before
    FROM allocation WHERE role = 'pay' AND account_id BETWEEN %(low)s AND %(high)s
) pay
WHERE from_nanos <> end_before
UNION ALL
SELECT w.account_id, format('pay rows end at %%s, spent is %%s', coalesce(last.to_nanos, 0), w.spent_nanos)
FROM wallet w LEFT JOIN LATERAL (
    SELECT max(a.to_nanos) AS to_nanos FROM allocation a WHERE a.account_id = w.account_id AND a.role = 'pay'
) last ON true
WHERE w.account_id BETWEEN %(low)s AND %(high)s AND w.spent_nanos <> coalesce(last.to_nanos, 0)
