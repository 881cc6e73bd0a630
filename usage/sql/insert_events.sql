-- Events first, in key order: two batches with the same events wait for each other in one direction only. What was new is told to
-- the ledger by its place, which the id carries (8,192 ids a batch, and no batch is that long).
WITH block AS MATERIALIZED (
    SELECT nextval('usage_event_block') * 8192 AS base
), inserted AS (
    INSERT INTO usage_event (id, account_id, event_id, fingerprint, api_key_id, model_id, price_version_id, multiplier_id, status,
        input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos,
        charged_nanos, absorbed_nanos, provider_cost_nanos, endpoint, metadata, local_date, hold, occurred_at, created_at)
    SELECT block.base + s.position, s.account_id, s.event_id, s.fingerprint, s.api_key_id, s.model_id, s.price_version_id, s.multiplier_id,
        s.status, s.input_tokens, s.output_tokens, s.cache_read_tokens, s.cache_write_tokens, s.reasoning_tokens, s.requests, s.images,
        s.seconds, s.cost_nanos, s.cost_nanos, 0, s.provider_cost_nanos, s.endpoint, s.metadata, s.local_date, s.hold, s.occurred_at, %(now)s
    FROM staged_event s CROSS JOIN block
    ORDER BY s.account_id, s.event_id
    ON CONFLICT (account_id, event_id) DO NOTHING
    RETURNING (id %% 8192)::integer AS position, account_id, event_id, charged_nanos, occurred_at, api_key_id, hold
)
INSERT INTO fresh_charge (position, account_id, event_id, charged_nanos, occurred_at, api_key_id, hold) SELECT * FROM inserted
