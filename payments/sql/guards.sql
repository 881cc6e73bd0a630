-- What is owed is frozen when the order is placed, and an order once paid stays paid by the same money.
CREATE FUNCTION payments_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % is refused, what was agreed stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER payment_order_terms_fixed BEFORE UPDATE OF id, public_id, account_id, placed_by, currency, amount_minor, created_at, expires_at
    ON payment_order FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER payment_order_never_deleted BEFORE DELETE ON payment_order
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER payment_order_paid_is_final BEFORE UPDATE ON payment_order
    FOR EACH ROW WHEN (OLD.status = 'paid' AND (NEW.status <> 'paid' OR NEW.paid_attempt_id IS DISTINCT FROM OLD.paid_attempt_id))
    EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER payment_order_line_fixed BEFORE UPDATE OR DELETE ON payment_order_line
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

-- Money that came is a fact: the attempt that tells of it is never rewritten to tell otherwise.
CREATE TRIGGER payment_attempt_settled_is_final BEFORE UPDATE ON payment_attempt
    FOR EACH ROW WHEN (OLD.status = 'settled' AND (
        (NEW.status, NEW.settled_minor, NEW.settled_currency, NEW.order_id, NEW.provider)
            IS DISTINCT FROM (OLD.status, OLD.settled_minor, OLD.settled_currency, OLD.order_id, OLD.provider)
        OR OLD.payment_id IS DISTINCT FROM NEW.payment_id AND OLD.payment_id IS NOT NULL))
    EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER payment_attempt_never_deleted BEFORE DELETE ON payment_attempt
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

-- What explains money is kept for ever; a review is resolved once; a customer at a provider stays who it is.
CREATE TRIGGER payment_review_never_deleted BEFORE DELETE ON payment_review
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER payment_review_resolved_once BEFORE UPDATE ON payment_review
    FOR EACH ROW WHEN (OLD.resolved_at IS NOT NULL) EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER provider_event_never_deleted BEFORE DELETE ON provider_event
    FOR EACH STATEMENT EXECUTE FUNCTION payments_refuse_change();

-- Statuses move by the tables of payments/transitions.py, whoever writes. A test walks every pair of both.
CREATE TRIGGER payment_order_moves BEFORE UPDATE OF status ON payment_order
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'pending>paid', 'pending>in_review', 'pending>cancelled', 'pending>expired', 'pending>failed',
        'in_review>paid', 'in_review>cancelled', 'cancelled>paid', 'expired>paid', 'failed>paid'))
    EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER payment_attempt_moves BEFORE UPDATE OF status ON payment_attempt
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'opening>open', 'opening>processing', 'opening>settled', 'opening>failed', 'opening>expired',
        'open>processing', 'open>settled', 'open>failed', 'open>expired',
        'processing>settled', 'processing>failed', 'processing>expired',
        'failed>open', 'failed>settled', 'expired>settled'))
    EXECUTE FUNCTION payments_refuse_change();

CREATE TRIGGER provider_event_moves BEFORE UPDATE OF status ON provider_event
    FOR EACH ROW WHEN (OLD.status <> NEW.status AND (OLD.status || '>' || NEW.status) NOT IN (
        'waiting>claimed', 'waiting>failed', 'claimed>waiting', 'claimed>done', 'claimed>failed', 'failed>waiting', 'done>waiting'))
    EXECUTE FUNCTION payments_refuse_change();
