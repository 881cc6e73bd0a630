-- Every event and roll-up belongs to an account (the hot tables have no foreign keys).
SELECT DISTINCT found.account_id, format('%%s without an account', found.row) AS detail
FROM (
    SELECT account_id, 'an event' AS row FROM usage_event WHERE account_id BETWEEN %(low)s AND %(high)s
    UNION ALL SELECT account_id, 'a daily roll-up' FROM usage_day WHERE account_id BETWEEN %(low)s AND %(high)s
    UNION ALL SELECT account_id, 'a quarter-hour roll-up' FROM usage_quarter WHERE account_id BETWEEN %(low)s AND %(high)s
    UNION ALL SELECT account_id, 'a lifetime' FROM usage_lifetime WHERE account_id BETWEEN %(low)s AND %(high)s
) found
WHERE NOT EXISTS (SELECT FROM accounts_account a WHERE a.id = found.account_id)
UNION ALL
SELECT e.account_id, format('event %%s names key %%s, which is not the account''s', e.event_id, e.api_key_id)
FROM usage_event e LEFT JOIN accounts_apikey k ON k.id = e.api_key_id AND k.account_id = e.account_id
WHERE e.account_id BETWEEN %(low)s AND %(high)s AND e.api_key_id IS NOT NULL AND k.id IS NULL
