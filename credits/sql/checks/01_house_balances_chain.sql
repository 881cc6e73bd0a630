-- Each house account counts its entries without a gap, each balance is the one before plus the amount, and it says what its last entry
-- says. They belong to no customer: they are looked at as account 0.
WITH chained AS (
    SELECT house, seq, amount_nanos, balance_after_nanos, row_number() OVER in_order AS place,
        lag(balance_after_nanos, 1, 0::bigint) OVER in_order AS before_nanos
    FROM house_entry WHERE 0 BETWEEN %(low)s AND %(high)s
    WINDOW in_order AS (PARTITION BY house ORDER BY seq)
), ends AS (
    SELECT DISTINCT ON (house) house, seq, balance_after_nanos FROM chained ORDER BY house, seq DESC
)
SELECT 0::bigint AS account_id,
    format('house entry %%s/%%s: balance %%s after %%s and %%s', house, seq, balance_after_nanos, before_nanos, amount_nanos) AS detail
FROM chained WHERE seq <> place OR balance_after_nanos <> before_nanos + amount_nanos
UNION ALL
SELECT 0::bigint,
    format('house %%s says balance %%s and next seq %%s; its last entry says otherwise', house, account.balance_nanos, account.next_seq)
FROM (SELECT * FROM house_account WHERE 0 BETWEEN %(low)s AND %(high)s) account
FULL JOIN ends USING (house)
WHERE (account.balance_nanos, account.next_seq) IS DISTINCT FROM (coalesce(ends.balance_after_nanos, 0), coalesce(ends.seq, 0) + 1)
