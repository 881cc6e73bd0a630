-- A multiplier that rated an event was in force then, for its model, and for its account where it is one account's.
SELECT v.account_id, format('event %%s was rated by multiplier %%s, which was not in force for it', v.event_id, v.multiplier_id) AS detail
FROM usage_event v LEFT JOIN usage_pricemultiplier m ON m.id = v.multiplier_id AND m.activated_at IS NOT NULL
    AND (m.account_id IS NULL OR m.account_id = v.account_id) AND (m.model_id IS NULL OR m.model_id = v.model_id)
    AND m.effective_at <= least(v.occurred_at, v.created_at) AND (m.ends_at IS NULL OR least(v.occurred_at, v.created_at) < m.ends_at)
WHERE v.multiplier_id IS NOT NULL AND v.account_id BETWEEN %(low)s AND %(high)s AND m.id IS NULL
