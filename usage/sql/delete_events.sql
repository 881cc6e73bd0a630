DELETE FROM usage_event e USING staged_event s
WHERE s.position = ANY(%(positions)s) AND e.account_id = s.account_id AND e.event_id = s.event_id
