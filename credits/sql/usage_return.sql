-- What other apps may read of returns: what of each usage event's charge was given back.
CREATE VIEW usage_return AS
    SELECT u.account_id, u.source_id AS event_id, sum(r.amount_nanos)::bigint AS returned_nanos
    FROM ledger_entry r JOIN ledger_entry u ON u.account_id = r.account_id AND u.seq = r.reverses
    WHERE r.kind = 'usage_refund' AND u.kind = 'usage' AND u.source_type = 'usage_event'
    GROUP BY u.account_id, u.source_id;
