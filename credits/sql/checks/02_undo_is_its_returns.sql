-- An undo entry is the sum of its returns, all inside the entry it undoes; a write-off is the sum of its settle rows.
SELECT e.account_id, format('entry %%s undoes %%s nanos, its returns give back %%s', e.seq, e.amount_nanos, coalesce(sum(r.to_nanos - r.from_nanos), 0)) AS detail
FROM ledger_entry e
LEFT JOIN ledger_entry undone ON undone.account_id = e.account_id AND undone.seq = e.reverses
LEFT JOIN allocation r ON r.account_id = e.account_id AND r.role = 'return' AND r.entry_seq = e.seq
    AND r.from_nanos >= undone.spent_after_nanos + undone.amount_nanos AND r.to_nanos <= undone.spent_after_nanos
WHERE e.account_id BETWEEN %(low)s AND %(high)s AND e.kind <> 'usage' AND e.kind IN ('usage_refund', 'reversal', 'dispute_won')
GROUP BY e.account_id, e.seq, e.amount_nanos
HAVING e.amount_nanos <> coalesce(sum(r.to_nanos - r.from_nanos), 0)
UNION ALL
SELECT r.account_id, format('return %%s belongs to no undo entry', r.id)
FROM allocation r LEFT JOIN ledger_entry e ON e.account_id = r.account_id AND e.seq = r.entry_seq AND e.reverses IS NOT NULL
WHERE r.role = 'return' AND r.account_id BETWEEN %(low)s AND %(high)s AND e.seq IS NULL
UNION ALL
SELECT e.account_id, format('write-off %%s is not the sum of what it settled', e.seq)
FROM ledger_entry e LEFT JOIN allocation s ON s.account_id = e.account_id AND s.role = 'settle' AND s.grant_id IS NULL AND s.entry_seq = e.seq
WHERE e.account_id BETWEEN %(low)s AND %(high)s AND e.kind <> 'usage' AND e.kind = 'write_off'
GROUP BY e.account_id, e.seq, e.amount_nanos
HAVING e.amount_nanos <> coalesce(sum(s.to_nanos - s.from_nanos), 0)
