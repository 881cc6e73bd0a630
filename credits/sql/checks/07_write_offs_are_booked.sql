-- What the house has written off is what the customers' entries say, by account and UTC day, as far as the daily job has come.
SELECT account_id, format('written off on %%s: entries say %%s nanos, the house has booked %%s', day, entries.nanos, house.nanos) AS detail
FROM (
    SELECT account_id, (created_at AT TIME ZONE 'UTC')::date AS day, sum(amount_nanos)::bigint AS nanos
    FROM ledger_entry
    WHERE account_id BETWEEN %(low)s AND %(high)s AND kind = 'write_off'
        AND created_at < (SELECT (through_on + 1)::timestamp AT TIME ZONE 'UTC' FROM house_account WHERE house = 'write_off')
    GROUP BY 1, 2
) entries
FULL JOIN (
    SELECT account_id, occurred_on AS day, amount_nanos AS nanos FROM house_entry
    WHERE house = 'write_off' AND account_id BETWEEN %(low)s AND %(high)s
        AND occurred_on <= (SELECT through_on FROM house_account WHERE house = 'write_off')
) house USING (account_id, day)
WHERE entries.nanos IS DISTINCT FROM house.nanos
