-- What an event counts as, in every roll-up alike: its cost is what was charged less refunds; given back whole it counts as `refunded`.
-- `costed_nanos` is its cost where it is known what the operator paid. Its mark, while it has one, is the one of its block.
CREATE VIEW usage_counted_event AS
SELECT account_id, id, id / 8192 AS block, event_id, created_at, local_date AS day,
    date_bin('15 minutes', occurred_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS starts_at,
    model_id, coalesce(api_key_id, 0) AS api_key_id, endpoint,
    CASE WHEN refunded_nanos = charged_nanos AND charged_nanos > 0 THEN 'refunded' ELSE status END AS status,
    1 AS events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    charged_nanos - refunded_nanos AS cost_nanos, coalesce(provider_cost_nanos, 0) AS provider_cost_nanos,
    CASE WHEN provider_cost_nanos IS NULL THEN 0 ELSE charged_nanos - refunded_nanos END AS costed_nanos
FROM usage_event;
