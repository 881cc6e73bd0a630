-- A grant's amount is what remains, was paid and settled, less what came back into itself from its own rows; a compensation grant's
-- amount is what was returned into it from others, and nothing is returned into any other grant from others.
WITH used AS (
    SELECT account_id, grant_id, sum(to_nanos - from_nanos) AS nanos FROM allocation
    WHERE role IN ('pay', 'settle') AND grant_id IS NOT NULL AND account_id BETWEEN %(low)s AND %(high)s GROUP BY 1, 2
), returned AS (
    SELECT account_id, into_grant_id AS grant_id,
        sum(to_nanos - from_nanos) FILTER (WHERE into_grant_id = grant_id) AS own,
        sum(to_nanos - from_nanos) FILTER (WHERE into_grant_id <> grant_id) AS others
    FROM allocation WHERE role = 'return' AND into_grant_id IS NOT NULL AND account_id BETWEEN %(low)s AND %(high)s GROUP BY 1, 2
)
SELECT g.account_id, format('grant %%s of %%s does not add up', g.id, g.amount_nanos) AS detail
FROM credit_grant g LEFT JOIN used u ON u.account_id = g.account_id AND u.grant_id = g.id
LEFT JOIN returned r ON r.account_id = g.account_id AND r.grant_id = g.id
WHERE g.account_id BETWEEN %(low)s AND %(high)s
    AND (g.amount_nanos <> g.remaining_nanos + coalesce(u.nanos, 0) - coalesce(r.own, 0)
        OR coalesce(r.others, 0) <> CASE WHEN g.compensates_id IS NULL THEN 0 ELSE g.amount_nanos END)
UNION ALL
SELECT u.account_id, format('allocations name grant %%s, which is not the account''s', u.grant_id)
FROM used u LEFT JOIN credit_grant g ON g.account_id = u.account_id AND g.id = u.grant_id WHERE g.id IS NULL
UNION ALL
SELECT r.account_id, format('returns go into grant %%s, which is not the account''s', r.grant_id)
FROM returned r LEFT JOIN credit_grant g ON g.account_id = r.account_id AND g.id = r.grant_id WHERE g.id IS NULL
