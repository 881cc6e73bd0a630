-- At its clock no wallet has both debt and a grant that could settle it.
SELECT w.account_id, format('debt of %%s beside usable grant %%s', w.debt_nanos, g.id) AS detail
FROM wallet w JOIN credit_grant g ON g.account_id = w.account_id AND NOT g.is_empty
WHERE w.account_id BETWEEN %(low)s AND %(high)s AND w.debt_nanos > 0
    AND g.booked_at IS NOT NULL AND g.voided_at IS NULL AND g.expired_at IS NULL AND NOT g.is_frozen
    AND g.effective_at <= w.clock_at AND (g.expires_at IS NULL OR w.clock_at < g.expires_at)
