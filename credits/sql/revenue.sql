-- What revenue is folded from: each allocation that usage or an expiry caused, by what happened and by the category of the grant that
-- bore it (null: nobody yet; of what was settled: written off). An undo is of what it undoes.
--
-- A pay row names the first entry it covers, and all entries that it covers are of one kind: a batch of usage, or one other act.
CREATE VIEW revenue_movement AS
    SELECT a.account_id, a.created_at, CASE e.kind WHEN 'usage' THEN 'charged' ELSE 'expired' END AS what, g.category,
        a.to_nanos - a.from_nanos AS nanos
    FROM allocation a
    JOIN ledger_entry e ON e.account_id = a.account_id AND e.seq = a.entry_seq AND e.kind IN ('usage', 'expiry')
    LEFT JOIN credit_grant g ON g.id = a.grant_id
    WHERE a.role = 'pay'
    UNION ALL
    SELECT s.account_id, s.created_at, 'settled', g.category, s.to_nanos - s.from_nanos
    FROM allocation s
    CROSS JOIN LATERAL (
        SELECT p.entry_seq FROM allocation p
        WHERE p.account_id = s.account_id AND p.role = 'pay' AND p.to_nanos >= s.to_nanos ORDER BY p.to_nanos LIMIT 1
    ) shortfall
    JOIN ledger_entry e ON e.account_id = s.account_id AND e.seq = shortfall.entry_seq AND e.kind = 'usage'
    LEFT JOIN credit_grant g ON g.id = s.grant_id
    WHERE s.role = 'settle'
    UNION ALL
    SELECT r.account_id, r.created_at, CASE undone.kind WHEN 'usage' THEN 'returned' ELSE 'unexpired' END, g.category,
        r.to_nanos - r.from_nanos
    FROM allocation r
    JOIN ledger_entry u ON u.account_id = r.account_id AND u.seq = r.entry_seq
    JOIN ledger_entry undone ON undone.account_id = r.account_id AND undone.seq = u.reverses AND undone.kind IN ('usage', 'expiry')
    LEFT JOIN credit_grant g ON g.id = r.grant_id
    WHERE r.role = 'return';

-- Allocations are written in the order of their instants, or nearly: the blocks of a day are found without an index of every row.
CREATE INDEX allocation_created_at ON allocation USING brin (created_at) WITH (pages_per_range = 32, autosummarize = on);

-- What the house bears, by day over all accounts.
CREATE INDEX house_entry_by_day ON house_entry (house, occurred_on);
