-- Accounts, after one of them in the order of ids, that have used something which is not folded.
SELECT l.account_id FROM usage_lifetime l LEFT JOIN usage_folded f USING (account_id)
WHERE l.account_id > %(after)s AND (l.events, l.cost_nanos) <> (coalesce(f.events, 0), coalesce(f.cost_nanos, 0))
ORDER BY l.account_id LIMIT %(most)s
