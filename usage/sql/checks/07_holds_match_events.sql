-- A captured hold names the event that names it and was booked with it; an event that was booked without its hold has captured none.
SELECT coalesce(h.account_id, v.account_id) AS account_id,
    format('hold %%s is captured by event %%s, event %%s captures it', coalesce(h.public_id, v.hold), h.event_id, v.event_id) AS detail
FROM (SELECT * FROM captured_hold WHERE account_id BETWEEN %(low)s AND %(high)s) h
FULL JOIN (SELECT account_id, hold, event_id FROM usage_event WHERE account_id BETWEEN %(low)s AND %(high)s AND hold IS NOT NULL AND flag IS NULL) v
    ON v.account_id = h.account_id AND v.hold = h.public_id AND v.event_id = h.event_id
WHERE h.event_id IS NULL OR v.event_id IS NULL
