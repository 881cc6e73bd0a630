-- Few entries write debt off, so their days are found without reading the others; one that does not costs this index nothing.
CREATE INDEX entry_write_offs ON ledger_entry (created_at, account_id) INCLUDE (amount_nanos) WHERE kind = 'write_off';
