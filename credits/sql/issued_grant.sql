-- What other apps may read of grants, so that no SQL outside credits names a ledger table.
CREATE VIEW issued_grant AS
    SELECT account_id, source_type, source_id, source_key, kind, category, amount_nanos, cost_basis_minor, cost_basis_currency
    FROM credit_grant
