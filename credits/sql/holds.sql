-- Keyed by account first, as every hot table is. The unique constraint by which rows are found becomes the primary key, so that there
-- is one index and a replica can tell rows apart.
ALTER TABLE hold DROP CONSTRAINT hold_pkey, DROP CONSTRAINT hold_once_per_public_id;
ALTER TABLE hold ADD CONSTRAINT hold_once_per_public_id PRIMARY KEY (account_id, public_id);
-- The admin lists the newest by id and opens one by it. Not BRIN: a hold is updated, so its row moves among pages of other ids.
CREATE INDEX hold_id ON hold (id);
ALTER TABLE hold SET (fillfactor = 80);
ALTER TABLE limit_bucket DROP CONSTRAINT limit_bucket_pkey, DROP CONSTRAINT bucket_once_per_start;
ALTER TABLE limit_bucket ADD CONSTRAINT bucket_once_per_start PRIMARY KEY (account_id, limit_id, starts_at);
ALTER TABLE limit_bucket SET (fillfactor = 70);
ALTER TABLE ledger_checkpoint DROP CONSTRAINT ledger_checkpoint_pkey, DROP CONSTRAINT checkpoint_once_per_seq;
ALTER TABLE ledger_checkpoint ADD CONSTRAINT checkpoint_once_per_seq PRIMARY KEY (account_id, seq);

-- What other apps may read of usage entries says by which key it was spent, too.
CREATE OR REPLACE VIEW usage_charge AS
    SELECT account_id, source_id AS event_id, -amount_nanos AS charged_nanos, occurred_at, api_key_id
    FROM ledger_entry WHERE kind = 'usage' AND source_type = 'usage_event';

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
