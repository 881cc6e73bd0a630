-- What is reserved is the sum of the open holds, and at its clock no wallet has an open hold that has ended.
SELECT w.account_id, format('reserved is %%s, open holds are %%s, %%s of them have ended', w.reserved_nanos, coalesce(sum(h.amount_nanos), 0),
    count(*) FILTER (WHERE h.expires_at <= w.clock_at)) AS detail
FROM wallet w LEFT JOIN hold h ON h.account_id = w.account_id AND h.status = 'open'
WHERE w.account_id BETWEEN %(low)s AND %(high)s
GROUP BY w.account_id
HAVING w.reserved_nanos <> coalesce(sum(h.amount_nanos), 0) OR count(*) FILTER (WHERE h.expires_at <= w.clock_at) > 0
