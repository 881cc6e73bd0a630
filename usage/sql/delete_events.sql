DELETE FROM usage_event e USING unnest(%(accounts)s::bigint[], %(event_ids)s::text[]) AS refused (account_id, event_id)
WHERE e.account_id = refused.account_id AND e.event_id = refused.event_id COLLATE "C"
