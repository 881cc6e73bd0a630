-- The usage of the accounts in bench_pattern_now once more, so many times: later by as many steps, further along in `seq`, in what is spent
-- and in the balance. What must hold of the first round holds of each. %(low)s and %(high)s are the numbers of the rounds, the first is 0.
CREATE TEMPORARY TABLE bench_round ON COMMIT DROP AS
SELECT p.*, round, p.step * round AS later, p.entries * round AS further, p.spent_nanos * round AS more, nextval('usage_event_block') * 8192 AS block
FROM bench_pattern_now p, generate_series(%(low)s, %(high)s) round
ORDER BY round, account_id;

INSERT INTO usage_event (id, account_id, event_id, fingerprint, api_key_id, model_id, price_version_id, multiplier_id, status, input_tokens,
    output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos, charged_nanos,
    absorbed_nanos, provider_cost_nanos, endpoint, metadata, local_date, hold, flag, occurred_at, created_at)
SELECT r.block + e.id %% 8192, e.account_id, e.event_id || '.' || r.round, e.fingerprint, e.api_key_id, e.model_id, e.price_version_id,
    e.multiplier_id, e.status, e.input_tokens, e.output_tokens, e.cache_read_tokens, e.cache_write_tokens, e.reasoning_tokens, e.requests,
    e.images, e.seconds, e.cost_nanos, e.charged_nanos, e.absorbed_nanos, e.provider_cost_nanos, e.endpoint, e.metadata,
    ((e.occurred_at + r.later) AT TIME ZONE 'UTC')::date, NULL, NULL, e.occurred_at + r.later, e.created_at + r.later
FROM bench_round r JOIN usage_event e ON e.account_id = r.account_id AND e.created_at <= r.booked_at;

INSERT INTO ledger_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos, source_type, source_id,
    source_key, reverses, description, reference, metadata, actor_id, api_key_id, occurred_at, created_at)
SELECT e.account_id, e.seq + r.further, e.kind, e.book, e.amount_nanos, e.balance_after_nanos - r.more, e.spent_after_nanos + r.more,
    e.source_type, e.source_id || '.' || r.round, e.source_key, e.reverses, e.description, e.reference, e.metadata, e.actor_id,
    e.api_key_id, e.occurred_at + r.later, e.created_at + r.later
FROM bench_round r JOIN ledger_entry e ON e.account_id = r.account_id AND e.seq BETWEEN 2 AND r.entries + 1
ORDER BY r.round, e.account_id, e.seq;

INSERT INTO allocation (account_id, from_nanos, to_nanos, grant_id, role, reverses, into_grant_id, entry_seq, created_at)
SELECT a.account_id, a.from_nanos + r.more, a.to_nanos + r.more, a.grant_id, a.role, NULL, NULL, a.entry_seq + r.further, a.created_at + r.later
FROM bench_round r JOIN allocation a ON a.account_id = r.account_id AND a.created_at <= r.booked_at
ORDER BY r.round, a.account_id;

UPDATE wallet w SET balance_nanos = w.balance_nanos - n.more, spent_nanos = w.spent_nanos + n.more, next_seq = w.next_seq + n.further,
    clock_at = n.clock_at
FROM (
    SELECT account_id, sum(spent_nanos) AS more, sum(entries) AS further, max(booked_at + later) AS clock_at FROM bench_round GROUP BY account_id
) n
WHERE w.account_id = n.account_id;

UPDATE credit_grant g SET remaining_nanos = g.remaining_nanos - n.more
FROM (SELECT account_id, sum(spent_nanos) AS more FROM bench_round GROUP BY account_id) n
WHERE g.account_id = n.account_id;
