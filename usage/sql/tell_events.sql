-- What became of events that named a hold: why it was not captured, what the operator absorbed, and by whose key it was spent.
UPDATE usage_event e SET flag = f.flag, charged_nanos = f.charged_nanos, absorbed_nanos = e.cost_nanos - f.charged_nanos,
    api_key_id = f.api_key_id
FROM fresh_charge f
WHERE f.hold IS NOT NULL AND e.account_id = f.account_id AND e.event_id = f.event_id COLLATE "C"
    AND (e.flag, e.charged_nanos, e.api_key_id) IS DISTINCT FROM (f.flag, f.charged_nanos, f.api_key_id)
