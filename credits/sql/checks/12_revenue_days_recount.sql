-- Revenue of every day that is folded is a recount of the account's allocations.
SELECT account_id, format('revenue of %%s: %%s is counted as %%s nanos, kept as %%s', day, what, counted.nanos, kept.nanos) AS detail
FROM (
    SELECT account_id, (created_at AT TIME ZONE 'UTC')::date AS day,
        CASE WHEN what IN ('expired', 'unexpired') THEN 'breakage'
            WHEN what = 'settled' AND category IS NULL THEN 'written off' ELSE what END
            || ' ' || coalesce(category, 'by nobody') AS what,
        sum(CASE what WHEN 'unexpired' THEN -nanos ELSE nanos END) AS nanos
    FROM revenue_movement
    WHERE account_id BETWEEN %(low)s AND %(high)s
        AND created_at < (SELECT (through_on + 1)::timestamp AT TIME ZONE 'UTC' FROM revenue_mark)
    GROUP BY 1, 2, 3
) counted
FULL JOIN (
    SELECT account_id, day, what, nanos FROM revenue_day CROSS JOIN LATERAL (VALUES
        ('charged paid', paid_nanos), ('charged promo', promo_nanos), ('charged by nobody', owed_nanos),
        ('settled paid', settled_paid_nanos), ('settled promo', settled_promo_nanos), ('written off by nobody', written_off_nanos),
        ('returned paid', returned_paid_nanos), ('returned promo', returned_promo_nanos), ('returned by nobody', returned_owed_nanos),
        ('breakage paid', breakage_paid_nanos), ('breakage promo', breakage_promo_nanos)
    ) AS sums (what, nanos)
    WHERE account_id BETWEEN %(low)s AND %(high)s
) kept USING (account_id, day, what)
WHERE coalesce(counted.nanos, 0) <> coalesce(kept.nanos, 0)
