-- Events of a batch some of which are known already: what is new is found by inserting them.
CREATE TEMPORARY TABLE IF NOT EXISTS staged_event (LIKE usage_event INCLUDING DEFAULTS) ON COMMIT DELETE ROWS;
-- Already empty, but where two batches share one transaction.
DELETE FROM staged_event
