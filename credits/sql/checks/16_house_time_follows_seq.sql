-- The house's entries were booked in the order of their seq, and none after their account's clock.
-- House accounts are looked at as account 0.
SELECT 0::bigint AS account_id, format('house entry %%s/%%s was booked at %%s, out of order', house, seq, created_at) AS detail
FROM (
    SELECT e.house, e.seq, e.created_at, account.clock_at, lag(e.created_at) OVER (PARTITION BY e.house ORDER BY e.seq) AS before
    FROM house_entry e LEFT JOIN house_account account USING (house)
    WHERE 0 BETWEEN %(low)s AND %(high)s
) timed
WHERE created_at < before OR created_at > clock_at
