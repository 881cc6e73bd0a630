-- Entries and allocations are never changed, grant terms neither, whoever asks: the application, the admin or raw SQL.
-- TRUNCATE is not guarded, since test databases are flushed by it: it needs the tables' owner, which the application need not be.
CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % is refused, book a correction', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER ledger_entry_append_only BEFORE UPDATE OR DELETE ON ledger_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER allocation_append_only BEFORE UPDATE OR DELETE ON allocation
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- Fires by the columns an UPDATE names, so burning (remaining_nanos) does not pay for it.
CREATE TRIGGER credit_grant_terms_fixed BEFORE UPDATE OF id, account_id, kind, book, source_type, source_id, source_key, category,
    cost_basis_minor, cost_basis_currency, priority, effective_at, expires_at, amount_nanos, root_id, compensates_id, created_at
    ON credit_grant FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER credit_grant_never_deleted BEFORE DELETE ON credit_grant
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER wallet_never_deleted BEFORE DELETE ON wallet
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
