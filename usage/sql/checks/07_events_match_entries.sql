-- Each event that charges has one usage entry of minus its charge, by the same key, and each usage entry has its event.
SELECT account_id, format('event %%s charged %%s by key %%s, its entry booked %%s by key %%s', event_id, v.charged_nanos,
    v.api_key_id, e.charged_nanos, e.api_key_id) AS detail
FROM (
    SELECT account_id, event_id, charged_nanos, occurred_at, api_key_id FROM usage_event
    WHERE account_id BETWEEN %(low)s AND %(high)s AND charged_nanos > 0
) v FULL JOIN (
    SELECT account_id, event_id, charged_nanos, occurred_at, api_key_id FROM usage_charge WHERE account_id BETWEEN %(low)s AND %(high)s
) e USING (account_id, event_id)
WHERE (v.charged_nanos, v.occurred_at, v.api_key_id) IS DISTINCT FROM (e.charged_nanos, e.occurred_at, e.api_key_id)
