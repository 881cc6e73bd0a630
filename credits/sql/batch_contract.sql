-- What a batch hands to the ledger: the events that its first statement inserted (and so are new), by their place in the batch.
-- `by_hand` marks accounts whose grants are lapsing: their late events need the rules in credits/books, not one statement.
CREATE TEMPORARY TABLE IF NOT EXISTS fresh_charge (
    position integer NOT NULL,
    account_id bigint NOT NULL,
    event_id text NOT NULL,
    charged_nanos bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
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
    entries bigint NOT NULL
) ON COMMIT DELETE ROWS;
-- Already empty, but where two batches share one transaction.
DELETE FROM fresh_charge;
DELETE FROM batch_wallet
