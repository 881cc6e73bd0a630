-- Lock the wallets in account order, when no event key is waited for any more: no cycle is possible. One row tells what is special.
WITH total AS (
    SELECT account_id, sum(charged_nanos) AS charged, count(hold) > 0 AS names_holds FROM fresh_charge GROUP BY account_id
), locked AS MATERIALIZED (
    SELECT w.account_id, w.clock_at, w.next_change_at, w.lapsing_nanos, w.spent_nanos, w.frozen_nanos,
        w.balance_nanos + w.debt_nanos AS granted_nanos, w.has_limits, w.policy
    FROM wallet w WHERE w.account_id IN (SELECT account_id FROM total)
    ORDER BY w.account_id FOR NO KEY UPDATE
)
SELECT
    array_agg(account_id) FILTER (WHERE locked.clock_at IS NULL) AS missing,
    array_agg(account_id) FILTER (WHERE locked.next_change_at <= greatest(locked.clock_at, %(now)s)) AS due,
    array_agg(account_id) FILTER (WHERE locked.lapsing_nanos > 0) AS lapsing,
    array_agg(account_id) FILTER (WHERE total.names_holds) AS holding,
    array_agg(account_id) FILTER (WHERE total.names_holds AND locked.policy = 'absorb') AS absorbing,
    array_agg(account_id) FILTER (WHERE locked.has_limits) AS limited,
    -- Near the bound only: what grants hold is spent one day too, at the latest when they expire.
    array_agg(account_id) FILTER (WHERE locked.spent_nanos + locked.granted_nanos + total.charged > %(amount_max)s) AS overflowing
FROM total LEFT JOIN locked USING (account_id)
