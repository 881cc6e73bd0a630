-- Each day's total revenue is the sum of its accounts', and no account has a day that is not folded. Totals belong to no customer: they
-- are looked at as account 0, by runs over all.
WITH summed AS (
    SELECT day, sum(paid_nanos) AS paid, sum(promo_nanos) AS promo, sum(owed_nanos) AS owed, sum(settled_paid_nanos) AS settled_paid,
        sum(settled_promo_nanos) AS settled_promo, sum(written_off_nanos) AS written_off, sum(returned_paid_nanos) AS returned_paid,
        sum(returned_promo_nanos) AS returned_promo, sum(returned_owed_nanos) AS returned_owed, sum(breakage_paid_nanos) AS breakage_paid,
        sum(breakage_promo_nanos) AS breakage_promo
    FROM revenue_day WHERE 0 BETWEEN %(low)s AND %(high)s GROUP BY day
)
SELECT 0::bigint AS account_id, format('revenue of %%s: the total is not the sum of the accounts, or the day is not folded', day) AS detail
FROM summed s FULL JOIN (SELECT * FROM revenue_total WHERE 0 BETWEEN %(low)s AND %(high)s) t USING (day)
WHERE (s.paid, s.promo, s.owed, s.settled_paid, s.settled_promo, s.written_off, s.returned_paid, s.returned_promo, s.returned_owed,
        s.breakage_paid, s.breakage_promo)
    IS DISTINCT FROM (t.paid_nanos::numeric, t.promo_nanos::numeric, t.owed_nanos::numeric, t.settled_paid_nanos::numeric,
        t.settled_promo_nanos::numeric, t.written_off_nanos::numeric, t.returned_paid_nanos::numeric, t.returned_promo_nanos::numeric,
        t.returned_owed_nanos::numeric, t.breakage_paid_nanos::numeric, t.breakage_promo_nanos::numeric)
    OR day > coalesce((SELECT through_on FROM revenue_mark), '-infinity')
