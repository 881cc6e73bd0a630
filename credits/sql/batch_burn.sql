-- Burn grants in their order, cover what they lack by a shortfall, move the wallets (also those whose events cost nothing: their clock
-- moves). The entries are written beside it. A statement of its own, since its snapshot must be taken after the locks: in one statement
-- with them grants would be read as they were before the lock was had, and two batches could burn the same grant.
--
-- Positions: an account's batch spends (spent, spent + cost]; each grant covers one interval of it, in burn-down order.
WITH batch AS MATERIALIZED (
    SELECT * FROM unnest(%(accounts)s::bigint[], %(spent)s::bigint[], %(next_seq)s::bigint[], %(booked_at)s::timestamptz[],
        %(cost)s::bigint[], %(entries)s::bigint[], %(released)s::bigint[])
        AS b (account_id, spent_nanos, next_seq, booked_at, cost_nanos, entries, released_nanos)
), lot AS MATERIALIZED (
    SELECT b.account_id, b.spent_nanos, b.cost_nanos, b.entries, b.released_nanos, b.next_seq, b.booked_at, g.id AS grant_id,
        g.remaining_nanos,
        coalesce(sum(g.remaining_nanos) OVER earlier, 0)::bigint AS before,
        coalesce(sum(g.remaining_nanos) OVER (PARTITION BY b.account_id), 0)::bigint AS usable,
        row_number() OVER earlier AS place
    FROM batch b LEFT JOIN LATERAL (
        -- OFFSET 0: an account's few grants by its index, never all grants of everybody by a join that looked cheaper.
        SELECT * FROM credit_grant
        WHERE account_id = b.account_id
            AND NOT is_empty AND booked_at IS NOT NULL AND voided_at IS NULL AND expired_at IS NULL AND NOT is_frozen
            AND effective_at <= b.booked_at AND (expires_at IS NULL OR b.booked_at < expires_at)
        OFFSET 0
    ) g ON true
    WINDOW earlier AS (
        PARTITION BY b.account_id ORDER BY g.priority, g.expires_at NULLS LAST, g.category = 'paid', g.effective_at, g.id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
), burnt AS (
    UPDATE credit_grant g SET remaining_nanos = g.remaining_nanos - least(lot.remaining_nanos, lot.cost_nanos - lot.before)
    FROM lot WHERE g.id = lot.grant_id AND lot.before < lot.cost_nanos
), spans AS (
    INSERT INTO allocation (account_id, from_nanos, to_nanos, grant_id, role, entry_seq, created_at)
    SELECT account_id, spent_nanos + before, spent_nanos + least(before + remaining_nanos, cost_nanos), grant_id, 'pay', next_seq, booked_at
    FROM lot WHERE grant_id IS NOT NULL AND before < cost_nanos
    UNION ALL
    SELECT account_id, spent_nanos + usable, spent_nanos + cost_nanos, NULL, 'pay', next_seq, booked_at
    FROM lot WHERE place = 1 AND usable < cost_nanos
)
UPDATE wallet w SET
    balance_nanos = w.balance_nanos - lot.cost_nanos,
    spent_nanos = w.spent_nanos + lot.cost_nanos,
    reserved_nanos = w.reserved_nanos - lot.released_nanos,
    debt_nanos = w.debt_nanos + greatest(lot.cost_nanos - lot.usable, 0),
    next_seq = w.next_seq + lot.entries,
    clock_at = lot.booked_at
FROM lot WHERE lot.place = 1 AND w.account_id = lot.account_id
