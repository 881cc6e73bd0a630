-- Settle rows, and returns on a shortfall itself, lie inside a shortfall and apart from each other.
WITH closing AS (
    SELECT s.account_id, s.id, s.from_nanos, s.to_nanos FROM allocation s
    WHERE s.role = 'settle' AND s.account_id BETWEEN %(low)s AND %(high)s
    UNION ALL
    SELECT r.account_id, r.id, r.from_nanos, r.to_nanos
    FROM allocation r JOIN allocation p ON p.account_id = r.account_id AND p.id = r.reverses
    WHERE r.role = 'return' AND p.role = 'pay' AND p.grant_id IS NULL AND r.account_id BETWEEN %(low)s AND %(high)s
)
SELECT account_id, format('row %%s covers a position of debt that another row covers', id) AS detail
FROM (SELECT *, lag(to_nanos, 1, 0::bigint) OVER (PARTITION BY account_id ORDER BY from_nanos, to_nanos) AS end_before FROM closing) row
WHERE from_nanos < end_before
UNION ALL
SELECT c.account_id, format('row %%s does not lie inside one shortfall', c.id)
FROM closing c LEFT JOIN LATERAL (
    SELECT p.from_nanos, p.grant_id FROM allocation p
    WHERE p.account_id = c.account_id AND p.role = 'pay' AND p.to_nanos >= c.to_nanos ORDER BY p.to_nanos LIMIT 1
) pay ON true
WHERE pay.from_nanos IS NULL OR pay.from_nanos > c.from_nanos OR pay.grant_id IS NOT NULL
