-- One UTC day, from `since` to `until`, of all accounts: a row each, and their sum.
WITH days AS (
    INSERT INTO revenue_day (account_id, day, paid_nanos, promo_nanos, owed_nanos, settled_paid_nanos, settled_promo_nanos,
        written_off_nanos, returned_paid_nanos, returned_promo_nanos, returned_owed_nanos, breakage_paid_nanos, breakage_promo_nanos)
    SELECT account_id, %(day)s,
        coalesce(sum(nanos) FILTER (WHERE what = 'charged' AND category = 'paid'), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'charged' AND category = 'promo'), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'charged' AND category IS NULL), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'settled' AND category = 'paid'), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'settled' AND category = 'promo'), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'settled' AND category IS NULL), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'returned' AND category = 'paid'), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'returned' AND category = 'promo'), 0),
        coalesce(sum(nanos) FILTER (WHERE what = 'returned' AND category IS NULL), 0),
        coalesce(sum(CASE what WHEN 'expired' THEN nanos ELSE -nanos END)
            FILTER (WHERE what IN ('expired', 'unexpired') AND category = 'paid'), 0),
        coalesce(sum(CASE what WHEN 'expired' THEN nanos ELSE -nanos END)
            FILTER (WHERE what IN ('expired', 'unexpired') AND category = 'promo'), 0)
    FROM revenue_movement WHERE created_at >= %(since)s AND created_at < %(until)s
    GROUP BY account_id ORDER BY account_id
    RETURNING *
)
INSERT INTO revenue_total (day, paid_nanos, promo_nanos, owed_nanos, settled_paid_nanos, settled_promo_nanos, written_off_nanos,
    returned_paid_nanos, returned_promo_nanos, returned_owed_nanos, breakage_paid_nanos, breakage_promo_nanos)
SELECT day, sum(paid_nanos), sum(promo_nanos), sum(owed_nanos), sum(settled_paid_nanos), sum(settled_promo_nanos),
    sum(written_off_nanos), sum(returned_paid_nanos), sum(returned_promo_nanos), sum(returned_owed_nanos), sum(breakage_paid_nanos),
    sum(breakage_promo_nanos)
FROM days GROUP BY day
