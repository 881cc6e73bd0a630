-- A seal that was taken away leaves its checkpoints behind, unless they were taken away with it.
SELECT c.account_id, format('checkpoint %%s is of seal %%s, which is missing', c.seq, c.seal_id)
FROM ledger_checkpoint c
WHERE c.account_id BETWEEN %(low)s AND %(high)s AND NOT EXISTS (SELECT 1 FROM ledger_seal s WHERE s.number = c.seal_id)
