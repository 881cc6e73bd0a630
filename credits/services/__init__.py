"""Everything that writes to the ledger. `posting` is the one door for acts, `batches` for usage at speed."""
