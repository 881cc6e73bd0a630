-- What was not new, with the fingerprint under which its id is known.
SELECT (s.id %% 8192)::integer, e.fingerprint
FROM staged_event s JOIN usage_event e ON e.account_id = s.account_id AND e.event_id = s.event_id COLLATE "C"
WHERE e.id <> s.id
