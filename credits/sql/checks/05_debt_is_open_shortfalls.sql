-- Debt is the shortfalls less what was settled and what was returned on the shortfalls themselves.
SELECT w.account_id, format('debt is %%s, open shortfalls are %%s', w.debt_nanos, coalesce(open.nanos, 0)) AS detail
FROM wallet w LEFT JOIN (
    SELECT a.account_id, sum(CASE WHEN a.role = 'pay' THEN a.to_nanos - a.from_nanos ELSE a.from_nanos - a.to_nanos END) AS nanos
    FROM allocation a
    WHERE a.account_id BETWEEN %(low)s AND %(high)s AND (a.role = 'settle' OR a.grant_id IS NULL)
    GROUP BY a.account_id
) open ON open.account_id = w.account_id
WHERE w.account_id BETWEEN %(low)s AND %(high)s AND w.debt_nanos <> coalesce(open.nanos, 0)
