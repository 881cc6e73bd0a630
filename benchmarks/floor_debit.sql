-- The floor of holds and captures: copies of the wallet and of the table of entries, and the one debit that they take.
DROP TABLE IF EXISTS floor_wallet, floor_debit_entry;
CREATE TABLE floor_wallet (LIKE wallet INCLUDING ALL) WITH (fillfactor = 60);
CREATE TABLE floor_debit_entry (LIKE ledger_entry INCLUDING ALL);
INSERT INTO floor_wallet SELECT * FROM wallet;
CREATE OR REPLACE FUNCTION floor_debit(p_account bigint, p_amount bigint, p_source text, p_now timestamptz) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
    w floor_wallet%ROWTYPE;
BEGIN
    SELECT * INTO w FROM floor_wallet WHERE account_id = p_account FOR NO KEY UPDATE;
    UPDATE floor_wallet SET balance_nanos = balance_nanos - p_amount, spent_nanos = spent_nanos + p_amount, next_seq = next_seq + 1,
        clock_at = p_now
    WHERE account_id = p_account;
    INSERT INTO floor_debit_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos, source_type,
        source_id, description, reference, occurred_at, created_at)
    VALUES (p_account, w.next_seq, 'usage', 'usage', -p_amount, w.balance_nanos - p_amount, w.spent_nanos + p_amount, 'usage_event',
        p_source, '', '', p_now, p_now);
    RETURN w.balance_nanos - p_amount;
END
$$;
