-- What a paid order's lines promise is issued, once, to the account that ordered it; and no order that is not paid has issued any.
SELECT coalesce(o.account_id, g.account_id) AS account_id,
    format('order %%s promises %%s, its grants are %%s', coalesce(o.public_id, g.source_id), coalesce(o.promised, 0), coalesce(g.issued, 0))
        AS detail
FROM (
    SELECT o.account_id, o.public_id, sum(l.credit_nanos) FILTER (WHERE o.status = 'paid') AS promised
    FROM payment_order o JOIN payment_order_line l ON l.order_id = o.id
    WHERE o.account_id BETWEEN %(low)s AND %(high)s
    GROUP BY o.account_id, o.public_id
) o
FULL JOIN (
    SELECT account_id, source_id, sum(amount_nanos) AS issued
    FROM issued_grant
    -- What was split off a grant later is no second issue of it: its key says so.
    WHERE source_type = 'order' AND source_key NOT LIKE 'grant:%%' AND account_id BETWEEN %(low)s AND %(high)s
    GROUP BY account_id, source_id
) g ON g.account_id = o.account_id AND g.source_id = o.public_id
WHERE coalesce(o.promised, 0) <> coalesce(g.issued, 0)
