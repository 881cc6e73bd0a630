-- Also wallets whose events all cost nothing: their clock moves.
INSERT INTO batch_wallet (account_id, balance_nanos, spent_nanos, next_seq, booked_at, cost_nanos, entries, released_nanos)
SELECT w.account_id, w.balance_nanos, w.spent_nanos, w.next_seq, greatest(w.clock_at, %(now)s), t.cost_nanos, t.entries, t.released_nanos
FROM (
    SELECT account_id, sum(charged_nanos)::bigint AS cost_nanos, count(*) FILTER (WHERE charged_nanos > 0) AS entries,
        coalesce(sum(hold_nanos), 0)::bigint AS released_nanos
    FROM fresh_charge WHERE NOT by_hand GROUP BY account_id
) t JOIN wallet w USING (account_id)
