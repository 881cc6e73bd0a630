-- The first of an account's entries before p_next_seq that was booked at p_at or later, or has the id p_id or a higher one; p_next_seq
-- where there is none. One of the two is given. Neither created_at (invariant 16) nor id (handed out under the wallet's lock) falls along
-- seq, so 24 looks at the primary key find one among ten million entries.
CREATE FUNCTION ledger_first_seq(p_account bigint, p_next_seq bigint, p_at timestamptz DEFAULT NULL, p_id bigint DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := 1;
    high bigint := p_next_seq;
    middle bigint;
    is_before boolean;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        SELECT e.created_at < p_at OR e.id < p_id INTO is_before FROM ledger_entry e WHERE e.account_id = p_account AND e.seq = middle;
        IF is_before THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END
$$;
