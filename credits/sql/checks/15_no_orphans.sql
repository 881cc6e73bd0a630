-- Every entry, allocation and grant belongs to an account that has a wallet (the hot tables have no foreign keys).
SELECT DISTINCT found.account_id, format('%%s without a wallet', found.row) AS detail
FROM (
    SELECT account_id, 'an entry' AS row FROM ledger_entry WHERE account_id BETWEEN %(low)s AND %(high)s
    UNION ALL SELECT account_id, 'an allocation' FROM allocation WHERE account_id BETWEEN %(low)s AND %(high)s
    UNION ALL SELECT account_id, 'a grant' FROM credit_grant WHERE account_id BETWEEN %(low)s AND %(high)s
) found
WHERE NOT EXISTS (SELECT FROM wallet w WHERE w.account_id = found.account_id)
