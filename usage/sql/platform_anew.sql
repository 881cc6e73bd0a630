-- The accounts whose days are put in the place of the kept ones whatever their lifetimes say: what is folded is the sum of the fresh days.
CREATE TEMPORARY TABLE fresh_account ON COMMIT DROP AS
SELECT account_id, coalesce(sum(events), 0)::bigint AS events, coalesce(sum(cost_nanos), 0)::bigint AS cost_nanos
FROM fresh_day WHERE account_id = ANY(%(accounts)s) GROUP BY account_id
