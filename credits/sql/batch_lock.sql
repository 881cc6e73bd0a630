-- Lock the wallets in account order, when no event key is waited for any more: no cycle is possible. Near the bound of what can be counted
-- what grants hold counts too: it is spent one day, at the latest when they expire.
SELECT w.account_id, w.balance_nanos, w.spent_nanos, w.next_seq, CASE WHEN w.clock_at > %(now)s THEN w.clock_at END,
    w.spent_nanos + w.balance_nanos + w.debt_nanos, w.next_change_at <= greatest(w.clock_at, %(now)s) IS TRUE, w.lapsing_nanos > 0,
    w.has_limits, w.policy = 'absorb'
FROM wallet w WHERE w.account_id = ANY(%(accounts)s::bigint[])
ORDER BY w.account_id FOR NO KEY UPDATE
