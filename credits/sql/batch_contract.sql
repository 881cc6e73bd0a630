-- What a batch hands to the ledger: the events that its first statement inserted (and so are new), by their place in the batch, each
-- with the public id of the hold it names. The ledger adds what it finds: the hold that is captured, and its key where the event named
-- none, or a flag why none is captured, or why the event is refused; and lowers the charge where the operator absorbs a part.
-- `by_hand` marks accounts whose grants are lapsing, or that absorb: they need the rules in credits/books, not one statement.
CREATE TEMPORARY TABLE IF NOT EXISTS fresh_charge (
    position integer NOT NULL,
    account_id bigint NOT NULL,
    event_id text NOT NULL,
    charged_nanos bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    api_key_id bigint,
    hold text,
    hold_nanos bigint,
    hold_key_id bigint,
    hold_opened_at timestamptz,
    hold_expires_at timestamptz,
    flag text,
    refusal text,
    by_hand boolean NOT NULL DEFAULT false
) ON COMMIT DELETE ROWS;
-- The ledger's own: each wallet of the batch as it is under its lock, and what the batch takes from it. A keyed table and not a
-- common table expression, so that no estimate can make a plan compare every row with every other.
CREATE TEMPORARY TABLE IF NOT EXISTS batch_wallet (
    account_id bigint PRIMARY KEY,
    balance_nanos bigint NOT NULL,
    spent_nanos bigint NOT NULL,
    next_seq bigint NOT NULL,
    booked_at timestamptz NOT NULL,
    cost_nanos bigint NOT NULL,
    entries bigint NOT NULL,
    released_nanos bigint NOT NULL
) ON COMMIT DELETE ROWS;
-- Already empty, but where two batches share one transaction.
DELETE FROM fresh_charge;
DELETE FROM batch_wallet
