-- The charges of accounts that need more than one burn: a hold is named, a limit counts, grants are lapsing, the operator absorbs. The
-- ledger adds what it finds: the hold that is captured, and its key where the event named none, or a flag why none is captured, or why the
-- event is refused; and lowers the charge where the operator absorbs a part. `by_hand` marks accounts whose grants are lapsing, or that
-- absorb: they need the rules in credits/books, not one statement.
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
-- Already empty, but where two batches share one transaction.
DELETE FROM fresh_charge
