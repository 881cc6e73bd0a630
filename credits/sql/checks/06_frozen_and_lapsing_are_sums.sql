-- frozen and lapsing are the sums of what remains of frozen and of lapsing grants.
SELECT w.account_id, format('frozen %%s and lapsing %%s are not the sums of their grants', w.frozen_nanos, w.lapsing_nanos) AS detail
FROM wallet w LEFT JOIN LATERAL (
    SELECT sum(g.remaining_nanos) FILTER (WHERE g.is_frozen) AS frozen,
        sum(g.remaining_nanos) FILTER (WHERE NOT g.is_frozen AND g.expires_at <= w.clock_at) AS lapsing
    FROM credit_grant g WHERE g.account_id = w.account_id AND NOT g.is_empty AND g.booked_at IS NOT NULL
) sums ON true
WHERE w.account_id BETWEEN %(low)s AND %(high)s
    AND (w.frozen_nanos, w.lapsing_nanos) IS DISTINCT FROM (coalesce(sums.frozen, 0), coalesce(sums.lapsing, 0))
