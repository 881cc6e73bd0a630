-- What an event says was given back is the sum of its refund entries.
SELECT account_id, format('event %%s says that %%s nanos were given back, its refund entries say %%s', event_id, v.refunded_nanos,
    r.returned_nanos) AS detail
FROM (
    SELECT account_id, event_id, refunded_nanos FROM usage_event
    WHERE account_id BETWEEN %(low)s AND %(high)s AND refunded_nanos > 0
) v FULL JOIN (
    SELECT account_id, event_id, returned_nanos FROM usage_return WHERE account_id BETWEEN %(low)s AND %(high)s
) r USING (account_id, event_id)
WHERE v.refunded_nanos IS DISTINCT FROM r.returned_nanos
