-- The house's entries are evidence as the customers' are.
CREATE TRIGGER house_entry_append_only BEFORE UPDATE OR DELETE ON house_entry
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

CREATE TRIGGER house_account_never_deleted BEFORE DELETE ON house_account
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change();

-- What usage may read of what the house bears: sums by account and UTC day, and until when they are whole.
CREATE VIEW house_absorbed AS
    SELECT account_id, occurred_on AS day, amount_nanos AS absorbed_nanos FROM house_entry WHERE house = 'absorbed';

CREATE VIEW house_absorbed_through AS
    SELECT through_on AS day FROM house_account WHERE house = 'absorbed';
