-- One batch, priced and staged by COPY. Positions are places in the request; ids follow from them.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_event (
    position integer NOT NULL,
    account_id bigint NOT NULL,
    event_id text COLLATE "C" NOT NULL,
    fingerprint uuid NOT NULL,
    api_key_id bigint,
    model_id bigint NOT NULL,
    price_version_id bigint,
    multiplier_id bigint,
    status text NOT NULL,
    input_tokens bigint NOT NULL,
    output_tokens bigint NOT NULL,
    cache_read_tokens bigint NOT NULL,
    cache_write_tokens bigint NOT NULL,
    reasoning_tokens bigint NOT NULL,
    requests bigint NOT NULL,
    images bigint NOT NULL,
    seconds bigint NOT NULL,
    cost_nanos bigint NOT NULL,
    provider_cost_nanos bigint,
    endpoint text NOT NULL,
    metadata jsonb,
    local_date date NOT NULL,
    hold text,
    occurred_at timestamptz NOT NULL
) ON COMMIT DELETE ROWS;
-- Already empty, but where two batches share one transaction.
DELETE FROM staged_event
