-- A booked grant has one entry of its amount (a compensation grant is booked by its undo), one not yet effective has none.
SELECT g.account_id, format('grant %%s is booked as it should not be', g.id) AS detail
FROM credit_grant g LEFT JOIN ledger_entry e ON e.account_id = g.account_id AND e.source_key = 'grant:' || g.id || ':effective'
WHERE g.account_id BETWEEN %(low)s AND %(high)s
    AND (coalesce(e.amount_nanos, 0) <> CASE WHEN g.booked_at IS NULL OR g.compensates_id IS NOT NULL THEN 0 ELSE g.amount_nanos END
        OR (e.kind, e.book) IS DISTINCT FROM (CASE WHEN e.seq IS NOT NULL THEN g.kind END, CASE WHEN e.seq IS NOT NULL THEN g.book END))
