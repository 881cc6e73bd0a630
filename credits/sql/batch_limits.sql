-- Count what was charged against the limits of these accounts. What a hold kept aside was counted when it was opened: that is taken
-- back, up to the hold the charge counts where the hold did, and what goes beyond it now.
SELECT limit_count(part.account_id, part.api_key_id, coalesce(part.counted_at, w.clock_at), sum(part.nanos)::bigint, w.clock_at)
FROM (
    SELECT account_id, hold_key_id AS api_key_id, hold_opened_at AS counted_at, -hold_nanos AS nanos FROM fresh_charge WHERE hold_nanos IS NOT NULL
    UNION ALL
    SELECT account_id, api_key_id, hold_opened_at, least(charged_nanos, hold_nanos) FROM fresh_charge WHERE hold_nanos IS NOT NULL
    UNION ALL
    SELECT account_id, api_key_id, NULL, greatest(charged_nanos - coalesce(hold_nanos, 0), 0) FROM fresh_charge
) part JOIN wallet w USING (account_id)
WHERE part.account_id = ANY(%(accounts)s) AND part.nanos <> 0
GROUP BY part.account_id, part.api_key_id, part.counted_at, w.clock_at
