-- The wallet's balance, spent and seq are those of its last entry.
SELECT account_id, format('wallet says balance %%s, spent %%s, next seq %%s; its last entry says otherwise', w.balance_nanos, w.spent_nanos, w.next_seq) AS detail
FROM wallet w LEFT JOIN LATERAL (
    SELECT e.seq, e.balance_after_nanos, e.spent_after_nanos FROM ledger_entry e WHERE e.account_id = w.account_id ORDER BY e.seq DESC LIMIT 1
) last ON true
WHERE w.account_id BETWEEN %(low)s AND %(high)s
    AND (w.next_seq, w.balance_nanos, w.spent_nanos)
        IS DISTINCT FROM (coalesce(last.seq, 0) + 1, coalesce(last.balance_after_nanos, 0), coalesce(last.spent_after_nanos, 0))
