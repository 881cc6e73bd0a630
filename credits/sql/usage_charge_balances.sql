-- What other apps may read of usage entries says what the account had left, too, and where in its books the charge stands.
CREATE OR REPLACE VIEW usage_charge AS
    SELECT account_id, source_id AS event_id, -amount_nanos AS charged_nanos, occurred_at, api_key_id, seq, balance_after_nanos,
        spent_after_nanos
    FROM ledger_entry WHERE kind = 'usage' AND source_type = 'usage_event';
