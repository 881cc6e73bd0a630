-- Keyed by account first, as every hot table is; `id` is only looked up singly (the admin).
ALTER TABLE hold DROP CONSTRAINT hold_pkey;
CREATE INDEX hold_id ON hold USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE hold SET (fillfactor = 80);
ALTER TABLE limit_bucket DROP CONSTRAINT limit_bucket_pkey;
CREATE INDEX limit_bucket_id ON limit_bucket USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE limit_bucket SET (fillfactor = 70);
ALTER TABLE ledger_checkpoint DROP CONSTRAINT ledger_checkpoint_pkey;
CREATE INDEX ledger_checkpoint_id ON ledger_checkpoint USING brin (id) WITH (pages_per_range = 32, autosummarize = on);

-- What was promised to a call stays, and an end is final: the first of capture, void and expiry wins, whoever asks.
CREATE TRIGGER hold_terms_fixed BEFORE UPDATE OF id, account_id, public_id, hold_key, api_key_id, amount_nanos, opened_at, expires_at
    ON hold FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER hold_end_is_final BEFORE UPDATE ON hold
    FOR EACH ROW WHEN (OLD.status <> 'open') EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER hold_never_deleted BEFORE DELETE ON hold
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- A seal that could be rewritten would prove nothing; a notice that was given was given.
CREATE TRIGGER ledger_seal_append_only BEFORE UPDATE OR DELETE ON ledger_seal
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER ledger_checkpoint_append_only BEFORE UPDATE OR DELETE ON ledger_checkpoint
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER limit_notice_append_only BEFORE UPDATE OR DELETE ON limit_notice
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();
