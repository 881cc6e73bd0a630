-- Each event that charges has one usage entry of minus its charge, and each usage entry has its event.
SELECT account_id, format('event %%s charged %%s, its entry booked %%s', event_id, v.charged_nanos, e.charged_nanos) AS detail
FROM (SELECT account_id, event_id, charged_nanos, occurred_at FROM usage_event WHERE account_id BETWEEN %(low)s AND %(high)s AND charged_nanos > 0) v
FULL JOIN (SELECT account_id, event_id, charged_nanos, occurred_at FROM usage_charge WHERE account_id BETWEEN %(low)s AND %(high)s) e
    USING (account_id, event_id)
WHERE (v.charged_nanos, v.occurred_at) IS DISTINCT FROM (e.charged_nanos, e.occurred_at)
