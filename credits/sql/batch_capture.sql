-- The holds that the batch's events capture, but for accounts whose books were written by hand.
UPDATE hold h SET status = 'captured', event_id = f.event_id, closed_at = greatest(w.clock_at, %(now)s)
FROM fresh_charge f JOIN wallet w USING (account_id)
WHERE f.hold_nanos IS NOT NULL AND NOT f.by_hand AND h.account_id = f.account_id AND h.public_id = f.hold
