-- What was not new, with the fingerprint under which its id is known.
SELECT s.position, e.fingerprint
FROM staged_event s JOIN usage_event e ON e.account_id = s.account_id AND e.event_id = s.event_id
WHERE NOT EXISTS (SELECT FROM fresh_charge f WHERE f.position = s.position)
