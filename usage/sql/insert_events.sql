-- In key order, as everywhere: two batches with the same events wait for each other in one direction only. A place in the batch is the
-- event's id within the batch's block.
INSERT INTO usage_event ({columns})
SELECT {columns} FROM staged_event ORDER BY account_id, event_id COLLATE "C"
ON CONFLICT (account_id, event_id) DO NOTHING
RETURNING (id %% 8192)::integer
