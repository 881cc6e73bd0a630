-- An order is the sum of its lines; a paid one was paid in full by an attempt of its own, unless an operator accepted other money.
SELECT o.account_id, format('order %%s owes %%s, its lines are %%s', o.public_id, o.amount_minor, coalesce(sum(l.amount_minor), 0)) AS detail
FROM payment_order o LEFT JOIN payment_order_line l ON l.order_id = o.id
WHERE o.account_id BETWEEN %(low)s AND %(high)s
GROUP BY o.id
HAVING o.amount_minor <> coalesce(sum(l.amount_minor), 0)
UNION ALL
SELECT o.account_id, format('order %%s owes %%s %%s, it was paid with %%s %%s', o.public_id, o.amount_minor, o.currency, a.settled_minor, a.settled_currency)
FROM payment_order o JOIN payment_attempt a ON a.id = o.paid_attempt_id
WHERE o.account_id BETWEEN %(low)s AND %(high)s
    AND (a.order_id <> o.id OR a.status <> 'settled' OR a.settled_minor <> o.amount_minor OR a.settled_currency <> o.currency)
    AND NOT EXISTS (SELECT FROM payment_review r WHERE r.attempt_id = a.id AND r.resolution = 'credited' AND a.order_id = o.id)
