-- An event was rated by its model's version in force when it occurred (or when it was booked, if its clock was ahead).
SELECT v.account_id, format('event %%s was rated by version %%s, in force was %%s', v.event_id, v.price_version_id, p.id) AS detail
FROM usage_event v LEFT JOIN LATERAL (
    SELECT p.id FROM usage_priceversion p
    WHERE p.model_id = v.model_id AND p.activated_at IS NOT NULL AND p.effective_at <= least(v.occurred_at, v.created_at)
    ORDER BY p.effective_at DESC LIMIT 1
) p ON true
WHERE v.price_version_id IS NOT NULL AND v.account_id BETWEEN %(low)s AND %(high)s AND v.price_version_id IS DISTINCT FROM p.id
