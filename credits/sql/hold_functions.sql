-- The two acts that a gateway waits for, each one function and so one round trip: open a hold, and charge one event. Both lock the
-- wallet first and read afterwards, in statements of their own. Whatever is not plain (something is due, grants are lapsing) is left
-- to the caller untouched: credits/books has the rules for it.

-- A result, not a table: what was decided, the hold, and what the account has left.
CREATE TYPE hold_answer AS (
    outcome text, -- opened, known; due, no_wallet; or the code of a refusal
    public_id text,
    hold_key text,
    api_key_id bigint,
    amount_nanos bigint, -- of the hold; of a refusal, what was asked
    status text,
    event_id text,
    opened_at timestamptz,
    expires_at timestamptz,
    closed_at timestamptz,
    available_nanos bigint, -- may be negative
    reserved_nanos bigint,
    promisable_nanos bigint, -- what a hold of that length may count on; less where grants end before it does
    limit_of_key boolean,
    resets_at timestamptz,
    decided_at timestamptz,
    frees_at timestamptz -- when the next open hold ends by itself
);

-- `p_is_estimate`: the amount was priced from a model's tokens. A key that comes again is then the same call at whatever price.
CREATE FUNCTION ledger_open_hold(
    p_account bigint, p_public_id text, p_hold_key text, p_api_key bigint, p_amount bigint, p_is_estimate boolean, p_lasts interval,
    p_now timestamptz
) RETURNS hold_answer LANGUAGE plpgsql AS $$
DECLARE
    w wallet%ROWTYPE;
    known hold%ROWTYPE;
    a hold_answer;
    owner record;
    blocking record;
    ends timestamptz;
BEGIN
    SELECT * INTO w FROM wallet WHERE account_id = p_account FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        a.outcome := 'no_wallet';
        RETURN a;
    END IF;
    a.decided_at := greatest(p_now, w.clock_at);
    IF w.next_change_at <= a.decided_at THEN
        a.outcome := 'due';
        RETURN a;
    END IF;
    a.reserved_nanos := w.reserved_nanos;
    a.available_nanos := w.balance_nanos - w.reserved_nanos - w.frozen_nanos - w.lapsing_nanos;
    a.amount_nanos := p_amount;
    IF p_hold_key IS NOT NULL THEN
        SELECT * INTO known FROM hold WHERE account_id = p_account AND hold_key = p_hold_key;
        IF FOUND THEN
            a.outcome := CASE
                WHEN (p_is_estimate OR known.amount_nanos = p_amount) AND known.expires_at - known.opened_at = p_lasts
                    AND known.api_key_id IS NOT DISTINCT FROM p_api_key
                THEN 'known' ELSE 'hold_key_reused' END;
            a.public_id := known.public_id; a.hold_key := known.hold_key; a.api_key_id := known.api_key_id;
            a.amount_nanos := known.amount_nanos; a.status := known.status; a.event_id := known.event_id;
            a.opened_at := known.opened_at; a.expires_at := known.expires_at; a.closed_at := known.closed_at;
            RETURN a;
        END IF;
    END IF;
    SELECT is_frozen, closed_at INTO owner FROM accounts_account WHERE id = p_account;
    IF owner.closed_at IS NOT NULL THEN
        a.outcome := 'account_not_found';
        RETURN a;
    ELSIF owner.is_frozen THEN
        a.outcome := 'account_frozen';
        RETURN a;
    END IF;
    IF p_api_key IS NOT NULL AND NOT EXISTS (
        SELECT FROM accounts_apikey k WHERE k.id = p_api_key AND k.account_id = p_account AND k.revoked_at IS NULL
            AND (k.expires_at IS NULL OR a.decided_at < k.expires_at)
    ) THEN
        a.outcome := 'api_key_revoked';
        RETURN a;
    END IF;

    -- What will have expired for good before the hold ends cannot be promised to it.
    ends := a.decided_at + p_lasts;
    SELECT a.available_nanos - coalesce(sum(g.remaining_nanos), 0) INTO a.promisable_nanos FROM credit_grant g
    WHERE g.account_id = p_account AND NOT g.is_empty AND g.booked_at IS NOT NULL AND g.voided_at IS NULL AND g.expired_at IS NULL
        AND NOT g.is_frozen AND g.effective_at <= a.decided_at AND a.decided_at < g.expires_at
        AND g.expires_at + interval '10 minutes' < ends;
    IF p_amount > a.promisable_nanos THEN
        a.outcome := CASE
            WHEN p_amount <= a.promisable_nanos + w.reserved_nanos THEN 'held_by_other_requests' ELSE 'insufficient_credits' END;
        SELECT min(h.expires_at) INTO a.frees_at FROM hold h WHERE h.account_id = p_account AND h.status = 'open';
        RETURN a;
    END IF;
    IF w.has_limits THEN
        SELECT * INTO blocking FROM limit_blocking(p_account, p_api_key, p_amount, a.decided_at);
        IF FOUND THEN
            a.outcome := 'spending_limit_reached';
            a.limit_of_key := blocking.api_key_id IS NOT NULL;
            a.resets_at := blocking.resets_at;
            RETURN a;
        END IF;
    END IF;

    INSERT INTO hold (account_id, public_id, hold_key, api_key_id, amount_nanos, status, opened_at, expires_at)
    VALUES (p_account, p_public_id, p_hold_key, p_api_key, p_amount, 'open', a.decided_at, ends);
    UPDATE wallet SET reserved_nanos = reserved_nanos + p_amount, clock_at = a.decided_at, next_change_at = least(next_change_at, ends)
    WHERE account_id = p_account;
    IF w.has_limits THEN
        PERFORM limit_count(p_account, p_api_key, a.decided_at, p_amount, a.decided_at);
    END IF;
    a.outcome := 'opened';
    a.public_id := p_public_id; a.hold_key := p_hold_key; a.api_key_id := p_api_key; a.amount_nanos := p_amount;
    a.status := 'open';
    a.opened_at := a.decided_at; a.expires_at := ends;
    a.available_nanos := a.available_nanos - p_amount;
    a.reserved_nanos := a.reserved_nanos + p_amount;
    RETURN a;
END
$$;

CREATE TYPE charge_answer AS (
    outcome text, -- charged; by_hand: nothing was done, take the batch's way; or the code of a refusal
    charged_nanos bigint,
    flag text,
    available_nanos bigint, -- may be negative
    reserved_nanos bigint,
    api_key_id bigint -- by which key it was spent: the event's, or where that named none, its hold's
);

-- One event that is new; where it names a hold it means to capture it, and hears of a voided one. The same rules as batch_burn.sql has
-- for many accounts and credits/books for special ones.
CREATE FUNCTION ledger_charge_one(
    p_account bigint, p_event_id text, p_cost bigint, p_occurred_at timestamptz, p_api_key bigint, p_hold text, p_now timestamptz,
    p_amount_max bigint
) RETURNS charge_answer LANGUAGE plpgsql AS $$
DECLARE
    w wallet%ROWTYPE;
    h hold%ROWTYPE;
    g record;
    a charge_answer;
    t timestamptz;
    usable bigint;
    kept bigint := 0;
    key_id bigint := p_api_key;
    left_over bigint;
    taken bigint;
    at bigint;
BEGIN
    SELECT * INTO w FROM wallet WHERE account_id = p_account FOR NO KEY UPDATE;
    t := greatest(p_now, w.clock_at);
    IF NOT FOUND OR w.next_change_at <= t OR w.lapsing_nanos > 0
        OR w.spent_nanos + w.balance_nanos + w.debt_nanos + p_cost > p_amount_max THEN
        a.outcome := 'by_hand';
        RETURN a;
    END IF;
    a.charged_nanos := p_cost;
    a.reserved_nanos := w.reserved_nanos;
    a.available_nanos := w.balance_nanos - w.reserved_nanos - w.frozen_nanos;
    IF p_hold IS NOT NULL THEN
        SELECT * INTO h FROM hold WHERE account_id = p_account AND public_id = p_hold;
        a.outcome := CASE coalesce(h.status, '')
            WHEN '' THEN 'unknown_hold' WHEN 'captured' THEN 'hold_already_captured' WHEN 'voided' THEN 'hold_voided' END;
        IF a.outcome IS NOT NULL THEN
            RETURN a;
        END IF;
        a.flag := CASE h.status WHEN 'expired' THEN 'late' END;
        IF a.flag IS NULL THEN
            kept := h.amount_nanos;
            key_id := coalesce(p_api_key, h.api_key_id);
            IF w.policy = 'absorb' THEN
                SELECT coalesce(sum(remaining_nanos), 0) INTO usable FROM credit_grant
                WHERE account_id = p_account AND NOT is_empty AND booked_at IS NOT NULL AND voided_at IS NULL AND expired_at IS NULL
                    AND NOT is_frozen AND effective_at <= t AND (expires_at IS NULL OR t < expires_at);
                a.charged_nanos := least(p_cost, greatest(least(kept, usable), usable - (w.reserved_nanos - kept)));
            END IF;
            UPDATE hold SET status = 'captured', event_id = p_event_id, closed_at = t WHERE account_id = p_account AND public_id = p_hold;
        END IF;
    END IF;

    left_over := a.charged_nanos;
    IF left_over > 0 THEN
        at := w.spent_nanos;
        FOR g IN
            SELECT id, remaining_nanos FROM credit_grant
            WHERE account_id = p_account AND NOT is_empty AND booked_at IS NOT NULL AND voided_at IS NULL AND expired_at IS NULL
                AND NOT is_frozen AND effective_at <= t AND (expires_at IS NULL OR t < expires_at)
            ORDER BY priority, expires_at NULLS LAST, category = 'paid', effective_at, id
        LOOP
            taken := least(g.remaining_nanos, left_over);
            UPDATE credit_grant SET remaining_nanos = remaining_nanos - taken WHERE id = g.id;
            INSERT INTO allocation (account_id, from_nanos, to_nanos, grant_id, role, entry_seq, created_at)
            VALUES (p_account, at, at + taken, g.id, 'pay', w.next_seq, t);
            at := at + taken;
            left_over := left_over - taken;
            EXIT WHEN left_over = 0;
        END LOOP;
        IF left_over > 0 THEN
            INSERT INTO allocation (account_id, from_nanos, to_nanos, role, entry_seq, created_at)
            VALUES (p_account, at, at + left_over, 'pay', w.next_seq, t);
        END IF;
        INSERT INTO ledger_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos, source_type, source_id,
            description, reference, api_key_id, occurred_at, created_at)
        VALUES (p_account, w.next_seq, 'usage', 'usage', -a.charged_nanos, w.balance_nanos - a.charged_nanos,
            w.spent_nanos + a.charged_nanos, 'usage_event', p_event_id, '', '', key_id, p_occurred_at, t);
    END IF;
    UPDATE wallet SET balance_nanos = balance_nanos - a.charged_nanos, spent_nanos = spent_nanos + a.charged_nanos,
        debt_nanos = debt_nanos + left_over, reserved_nanos = reserved_nanos - kept, clock_at = t,
        next_seq = next_seq + CASE WHEN a.charged_nanos > 0 THEN 1 ELSE 0 END
    WHERE account_id = p_account;
    IF w.has_limits THEN
        PERFORM limit_count_charge(p_account, key_id, a.charged_nanos, h.api_key_id, h.opened_at, kept, t);
    END IF;
    a.outcome := 'charged';
    a.api_key_id := key_id;
    a.reserved_nanos := a.reserved_nanos - kept;
    a.available_nanos := a.available_nanos - a.charged_nanos + kept;
    RETURN a;
END
$$;

-- What other apps may read of holds, so that no SQL outside credits names a ledger table.
CREATE VIEW captured_hold AS
    SELECT account_id, public_id, event_id FROM hold WHERE status = 'captured';
