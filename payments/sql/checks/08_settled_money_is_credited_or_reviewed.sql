-- Money that a provider says we have has paid its order, or a person was asked to look at it; and an order under review has somebody to ask.
-- Reviews of money that is none of the attempt's excuse nothing: they are about another payment.
SELECT o.account_id, format('attempt %%s of order %%s settled and neither paid it nor is under review', a.id, o.public_id) AS detail
FROM payment_attempt a JOIN payment_order o ON o.id = a.order_id
WHERE a.status = 'settled' AND o.account_id BETWEEN %(low)s AND %(high)s
    AND o.paid_attempt_id IS DISTINCT FROM a.id
    AND NOT EXISTS (SELECT FROM payment_review r WHERE r.attempt_id = a.id AND r.reason NOT IN ('wrong_provider', 'wrong_livemode'))
UNION ALL
SELECT o.account_id, format('order %%s is under review and its reviews are resolved', o.public_id)
FROM payment_order o
WHERE o.status = 'in_review' AND o.account_id BETWEEN %(low)s AND %(high)s
    AND NOT EXISTS (SELECT FROM payment_review r WHERE r.order_id = o.id AND r.resolved_at IS NULL)
