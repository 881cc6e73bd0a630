-- A mark of what is to be counted says how many events its block has, and when they were booked: it hides them from the recounts, and
-- they are found by it.
SELECT u.account_id, format('mark of block %%s: %%s events booked at %%s; of its events there are %%s, booked then %%s', u.block, u.events,
        u.received_at, coalesce(sum(found.events), 0), coalesce(sum(found.events) FILTER (WHERE found.created_at = u.received_at), 0)) AS detail
FROM usage_uncounted u LEFT JOIN (
    SELECT account_id, block, created_at, count(*) AS events FROM usage_counted_event e
    WHERE account_id BETWEEN %(low)s AND %(high)s
        AND EXISTS (SELECT FROM usage_uncounted u WHERE u.account_id = e.account_id AND u.block = e.block)
    GROUP BY account_id, block, created_at
) found USING (account_id, block)
WHERE u.account_id BETWEEN %(low)s AND %(high)s
GROUP BY u.account_id, u.block, u.events, u.received_at
HAVING coalesce(sum(found.events), 0) <> u.events
    OR coalesce(sum(found.events) FILTER (WHERE found.created_at = u.received_at), 0) <> u.events
