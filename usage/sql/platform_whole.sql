-- The accounts whose fresh days, with the older ones that are kept, are all that they ever used: in the others an older day has changed.
CREATE TEMPORARY TABLE fresh_account ON COMMIT DROP AS
SELECT account_id, fresh.all_events AS events, fresh.all_cost_nanos AS cost_nanos
FROM (
    SELECT account_id, all_events, all_cost_nanos, coalesce(sum(events), 0) AS events, coalesce(sum(cost_nanos), 0) AS cost_nanos
    FROM fresh_day GROUP BY 1, 2, 3
) fresh
LEFT JOIN usage_folded f USING (account_id)
LEFT JOIN LATERAL (
    SELECT coalesce(sum(events), 0) AS events, coalesce(sum(cost_nanos), 0) AS cost_nanos
    FROM usage_account_day WHERE account_id = fresh.account_id AND day >= %(since_day)s
) replaced ON true
WHERE coalesce(f.events, 0) - replaced.events + fresh.events = fresh.all_events
    AND coalesce(f.cost_nanos, 0) - replaced.cost_nanos + fresh.cost_nanos = fresh.all_cost_nanos
