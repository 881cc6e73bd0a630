-- created_at never falls along seq, nor runs ahead of the wallet's clock.
SELECT e.account_id, format('entry %%s was booked before the entry before it, or after the wallet''s clock', seq) AS detail
FROM (
    SELECT account_id, seq, created_at, lag(created_at, 1, '-infinity'::timestamptz) OVER (PARTITION BY account_id ORDER BY seq) AS before
    FROM ledger_entry WHERE account_id BETWEEN %(low)s AND %(high)s
) e JOIN wallet w ON w.account_id = e.account_id
WHERE e.created_at < e.before OR e.created_at > w.clock_at
