-- What became of events that named a hold: why it was not captured, and what the operator absorbed.
UPDATE usage_event e SET flag = f.flag, charged_nanos = f.charged_nanos, absorbed_nanos = e.cost_nanos - f.charged_nanos
FROM fresh_charge f
WHERE f.hold IS NOT NULL AND e.account_id = f.account_id AND e.event_id = f.event_id COLLATE "C"
    AND (e.flag, e.charged_nanos) IS DISTINCT FROM (f.flag, f.charged_nanos)
