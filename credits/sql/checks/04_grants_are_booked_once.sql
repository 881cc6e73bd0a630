-- A booked grant has one entry of its amount (a compensation grant is booked by its undo), one not yet effective has none. The entry is
-- of the grant's kind and book; that of a part which was split off is one of a pair of kind split.
SELECT g.account_id, format('grant %%s is booked as it should not be', g.id) AS detail
FROM credit_grant g LEFT JOIN ledger_entry e ON e.account_id = g.account_id AND e.source_key = 'grant:' || g.id || ':effective'
LEFT JOIN ledger_entry s ON g.root_id IS NOT NULL AND s.account_id = g.account_id AND s.source_key = g.source_key
WHERE g.account_id BETWEEN %(low)s AND %(high)s
    AND (coalesce(e.amount_nanos, 0) <> CASE WHEN g.booked_at IS NULL OR g.compensates_id IS NOT NULL THEN 0 ELSE g.amount_nanos END
        OR (g.root_id IS NULL AND e.seq IS NOT NULL AND (e.kind, e.book) <> (g.kind, g.book))
        OR (g.root_id IS NOT NULL AND (e.kind, e.book, s.kind, s.book, s.amount_nanos, s.seq)
            IS DISTINCT FROM ('split', 'adjustment', 'split', 'adjustment', -g.amount_nanos, e.seq - 1)))
