-- Return rows lie inside the pay or settle row they reverse, of the same grant, and no position is returned twice.
SELECT r.account_id, format('return %%s does not lie inside the row it reverses', r.id) AS detail
FROM allocation r LEFT JOIN allocation o ON o.account_id = r.account_id AND o.id = r.reverses
WHERE r.role = 'return' AND r.account_id BETWEEN %(low)s AND %(high)s
    AND (o.id IS NULL OR o.role = 'return' OR o.grant_id IS DISTINCT FROM r.grant_id OR r.from_nanos < o.from_nanos OR r.to_nanos > o.to_nanos
        OR (o.role = 'settle' AND o.grant_id IS NULL) OR ((r.into_grant_id IS NULL) <> (r.grant_id IS NULL)))
UNION ALL
SELECT account_id, format('return %%s gives back a position that was given back before', id)
FROM (
    SELECT account_id, id, from_nanos, lag(to_nanos, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY from_nanos, to_nanos) AS end_before
    FROM allocation WHERE role = 'return' AND account_id BETWEEN %(low)s AND %(high)s
) returned
WHERE from_nanos < end_before
