-- An event that the price book priced was rated by the most specific multiplier of its account that was in force then and that every
-- process knew when it was booked: one of the account and the model, else one of the account. Tiers have no history: nothing is said of them.
SELECT v.account_id, format('event %%s was rated by multiplier %%s, its account had agreed on %%s', v.event_id, v.multiplier_id, m.id) AS detail
FROM usage_pricemultiplier m
JOIN usage_event v ON v.account_id = m.account_id AND (m.model_id IS NULL OR m.model_id = v.model_id)
    AND m.activated_at + interval '60 seconds' <= v.created_at AND m.effective_at <= least(v.occurred_at, v.created_at)
    AND (m.ends_at IS NULL OR least(v.occurred_at, v.created_at) < m.ends_at)
LEFT JOIN usage_pricemultiplier named ON named.id = v.multiplier_id AND named.account_id = v.account_id
WHERE v.account_id BETWEEN %(low)s AND %(high)s AND v.price_version_id IS NOT NULL
    AND (named.id IS NULL OR named.model_id IS NULL AND m.model_id IS NOT NULL)
