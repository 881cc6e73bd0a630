-- Count what was charged against the limits of these accounts, as limit_count_charge does for one charge: what a hold kept aside is taken
-- back where it opened, up to the hold the charge counts there, and what goes beyond it now. Each bucket is written once, with all that
-- is added and taken back, and each limit's thresholds are noted when its buckets are written.
WITH counting AS MATERIALIZED (
    SELECT l.id, l.account_id, l.api_key_id, l AS spending, w.clock_at,
        limit_counts_since(l.strategy, l.duration, l.zone, w.clock_at) AS since
    FROM spending_limit l JOIN wallet w USING (account_id)
    WHERE l.account_id = ANY(%(accounts)s)
), part AS (
    SELECT account_id, hold_key_id AS api_key_id, hold_opened_at AS counted_at, -hold_nanos AS nanos
    FROM fresh_charge WHERE hold_nanos IS NOT NULL
    UNION ALL
    SELECT account_id, api_key_id, hold_opened_at, least(charged_nanos, hold_nanos) FROM fresh_charge WHERE hold_nanos IS NOT NULL
    UNION ALL
    SELECT account_id, api_key_id, NULL, greatest(charged_nanos - coalesce(hold_nanos, 0), 0) FROM fresh_charge
), binned AS MATERIALIZED (
    -- Few instants are many: five minutes divide every bucket, so what lies in the same five is placed once.
    SELECT account_id, api_key_id, min(counted_at) AS counted_at, sum(nanos) AS nanos, bool_or(nanos > 0) AS adds
    FROM part WHERE nanos <> 0 AND account_id = ANY(%(accounts)s)
    GROUP BY account_id, api_key_id, date_bin('5 minutes', counted_at, TIMESTAMPTZ '2000-01-01 00:00:00+00')
), bucket AS MATERIALIZED (
    SELECT c.id, limit_bucket_of(c.spending, c.since, coalesce(b.counted_at, c.clock_at)) AS starts_at, sum(b.nanos)::bigint AS nanos,
        bool_or(b.adds) AS adds
    FROM counting c JOIN binned b ON b.account_id = c.account_id AND (c.api_key_id IS NULL OR c.api_key_id = b.api_key_id)
    GROUP BY 1, 2
), written AS MATERIALIZED (
    SELECT c.id, bool_or(b.adds) AS adds,
        count(limit_bucket_add(c.account_id, c.id, b.starts_at, b.nanos)) FILTER (WHERE b.nanos <> 0) AS buckets
    FROM bucket b JOIN counting c USING (id)
    WHERE b.starts_at IS NOT NULL
    GROUP BY c.id
)
SELECT count(limit_note(c.spending, c.since, c.clock_at)) FROM written w JOIN counting c USING (id) WHERE w.adds
