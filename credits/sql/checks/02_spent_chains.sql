-- spent grows by every negative entry and by nothing else.
SELECT account_id, format('entry %%s: spent does not follow the entry before it', seq) AS detail
FROM (
    SELECT account_id, seq, amount_nanos, spent_after_nanos, lag(spent_after_nanos, 1, 0::bigint) OVER chain AS spent_before
    FROM ledger_entry WHERE account_id BETWEEN %(low)s AND %(high)s
    WINDOW chain AS (PARTITION BY account_id ORDER BY seq)
) entry
WHERE spent_after_nanos <> spent_before::numeric + greatest(-amount_nanos, 0)
