-- seq runs 1…n without a gap, each balance is the one before plus the amount.
SELECT account_id, format('entry %%s: seq or balance does not follow the entry before it', seq) AS detail
FROM (
    SELECT account_id, seq, amount_nanos, balance_after_nanos,
        lag(seq, 1, 0::bigint) OVER chain AS seq_before, lag(balance_after_nanos, 1, 0::bigint) OVER chain AS balance_before
    FROM ledger_entry WHERE account_id BETWEEN %(low)s AND %(high)s
    WINDOW chain AS (PARTITION BY account_id ORDER BY seq)
) entry
WHERE seq <> seq_before + 1 OR balance_after_nanos <> balance_before::numeric + amount_nanos
