-- next_change_at is no later than the first activation, lapse, expiry or end of a hold to come (early is allowed): else nobody would book it.
SELECT w.account_id, format('next_change_at is %%s, %%s changes at %%s', w.next_change_at, next.what, next.at) AS detail
FROM wallet w JOIN LATERAL (
    SELECT 'grant ' || g.id AS what, CASE
        WHEN g.booked_at IS NULL THEN g.effective_at
        WHEN g.expires_at > w.clock_at THEN g.expires_at
        ELSE g.expires_at + interval '10 minutes'
    END AS at
    FROM credit_grant g
    WHERE g.account_id = w.account_id AND NOT g.is_empty AND g.voided_at IS NULL AND g.expired_at IS NULL AND NOT g.is_pending
        AND (g.booked_at IS NULL OR (NOT g.is_frozen AND g.expires_at IS NOT NULL))
    UNION ALL
    SELECT 'hold ' || h.public_id, h.expires_at FROM hold h WHERE h.account_id = w.account_id AND h.status = 'open'
    ORDER BY at LIMIT 1
) next ON true
WHERE w.account_id BETWEEN %(low)s AND %(high)s AND (w.next_change_at IS NULL OR w.next_change_at > next.at)
