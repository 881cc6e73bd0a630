-- No claw-back takes more than its grant's family was given, less what expiry, voids and earlier claw-backs took, undone ones not
-- counted: judged where it was booked, since what returns to the grant later may expire later.
-- A family is the grant that was given first, what was split off it, and what compensates any of them: up from each grant to the first.
WITH RECURSIVE climb AS (
    SELECT account_id, id, coalesce(root_id, compensates_id, id) AS top_id FROM credit_grant WHERE account_id BETWEEN %(low)s AND %(high)s
    UNION
    SELECT c.account_id, c.id, coalesce(g.root_id, g.compensates_id) FROM climb c JOIN credit_grant g ON g.id = c.top_id
    WHERE c.top_id <> c.id AND (g.root_id IS NOT NULL OR g.compensates_id IS NOT NULL)
), family AS (
    SELECT c.account_id, c.id::text AS source_id, c.top_id AS root_id FROM climb c JOIN credit_grant g ON g.id = c.top_id
    WHERE g.root_id IS NULL AND g.compensates_id IS NULL
), taking AS (
    SELECT e.account_id, e.seq, e.kind, e.amount_nanos, f.root_id
    FROM ledger_entry e JOIN family f ON f.account_id = e.account_id AND f.source_id = e.source_id
    WHERE e.account_id BETWEEN %(low)s AND %(high)s AND e.kind <> 'usage' AND e.source_type = 'grant'
        AND e.kind IN ('expiry', 'grant_void', 'refund', 'dispute_lost')
), movement AS (
    SELECT * FROM taking
    UNION ALL
    SELECT u.account_id, u.seq, u.kind, u.amount_nanos, t.root_id
    FROM ledger_entry u JOIN taking t ON t.account_id = u.account_id AND t.seq = u.reverses
    WHERE u.account_id BETWEEN %(low)s AND %(high)s AND u.kind <> 'usage' AND u.kind IN ('reversal', 'dispute_won')
)
SELECT m.account_id, format('entry %%s claws back more than grant %%s may lose', m.seq, m.root_id) AS detail
FROM (SELECT *, sum(amount_nanos) OVER (PARTITION BY account_id, root_id ORDER BY seq) AS taken FROM movement) m
JOIN credit_grant root ON root.account_id = m.account_id AND root.id = m.root_id
WHERE m.kind IN ('refund', 'dispute_lost') AND root.amount_nanos + m.taken < 0
UNION ALL
SELECT e.account_id, format('entry %%s claws back from no grant of the account', e.seq)
FROM ledger_entry e LEFT JOIN family f ON f.account_id = e.account_id AND f.source_id = e.source_id AND e.source_type = 'grant'
WHERE e.account_id BETWEEN %(low)s AND %(high)s AND e.kind <> 'usage' AND e.kind IN ('refund', 'dispute_lost') AND f.source_id IS NULL
