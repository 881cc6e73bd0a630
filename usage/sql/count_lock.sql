-- The lifetime row is the lock of an account's roll-ups. Whoever counts or moves counts takes it, after the wallet's where he has both.
SELECT account_id FROM usage_lifetime WHERE account_id = ANY(%(accounts)s) ORDER BY account_id FOR NO KEY UPDATE
