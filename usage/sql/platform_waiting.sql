-- Accounts, after one of them in the order of ids, that have used something which is not folded.
SELECT l.account_id FROM usage_lifetime l LEFT JOIN usage_folded f USING (account_id)
WHERE l.account_id > %(after)s AND (l.events, l.cost_nanos) IS DISTINCT FROM (f.events, f.cost_nanos)
ORDER BY l.account_id LIMIT %(most)s
