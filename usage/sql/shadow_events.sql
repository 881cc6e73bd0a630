-- One account's events booked in a period, in the order in which they were charged, with what the account had left after each charge. An
-- event that charged nothing has no entry: it stands after those that were booked before it. Nothing is priced here.
SELECT e.event_id, e.model_id = %(model)s AS is_of_model, e.price_version_id IS NULL AS is_by_sender, e.multiplier_id, e.status,
    e.charged_nanos, e.absorbed_nanos, e.refunded_nanos, e.provider_cost_nanos, c.balance_after_nanos, e.input_tokens, e.output_tokens,
    e.cache_read_tokens, e.cache_write_tokens, e.reasoning_tokens, e.requests, e.images, e.seconds
FROM usage_event e
LEFT JOIN usage_charge c ON c.account_id = %(account)s AND c.seq >= %(first_seq)s AND c.event_id = e.event_id COLLATE "C"
WHERE e.account_id = %(account)s AND e.created_at >= %(since)s AND e.created_at < %(until)s
ORDER BY coalesce(c.seq, max(c.seq) OVER (ORDER BY e.created_at, e.id ROWS UNBOUNDED PRECEDING)) NULLS FIRST, c.seq NULLS LAST,
    e.created_at, e.id
