-- What the house bears is what events say, by account and UTC day, as far as the daily job has come.
SELECT account_id, format('absorbed on %%s: events say %%s nanos, the house has booked %%s', day, events.absorbed_nanos, house.absorbed_nanos) AS detail
FROM (
    SELECT account_id, (created_at AT TIME ZONE 'UTC')::date AS day, sum(absorbed_nanos)::bigint AS absorbed_nanos
    FROM usage_event
    WHERE account_id BETWEEN %(low)s AND %(high)s AND absorbed_nanos > 0
        AND created_at < (SELECT (day + 1)::timestamp AT TIME ZONE 'UTC' FROM house_absorbed_through)
    GROUP BY 1, 2
) events
FULL JOIN (
    SELECT account_id, day, absorbed_nanos FROM house_absorbed
    WHERE account_id BETWEEN %(low)s AND %(high)s AND day <= (SELECT day FROM house_absorbed_through)
) house USING (account_id, day)
WHERE events.absorbed_nanos IS DISTINCT FROM house.absorbed_nanos
