-- The balance is what remains of booked grants, less the debt.
SELECT w.account_id, format('balance is %%s, grants less debt are %%s', w.balance_nanos, coalesce(sum(g.remaining_nanos), 0) - w.debt_nanos) AS detail
FROM wallet w LEFT JOIN credit_grant g ON g.account_id = w.account_id AND g.booked_at IS NOT NULL AND NOT g.is_empty
WHERE w.account_id BETWEEN %(low)s AND %(high)s
GROUP BY w.account_id
HAVING w.balance_nanos <> coalesce(sum(g.remaining_nanos), 0) - w.debt_nanos
