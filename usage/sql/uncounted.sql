-- Rows come with each batch and go with each count: the table stays small where it is vacuumed often.
ALTER TABLE usage_uncounted DROP CONSTRAINT usage_uncounted_pkey, DROP CONSTRAINT uncounted_once_per_block;
ALTER TABLE usage_uncounted ADD CONSTRAINT uncounted_once_per_block PRIMARY KEY (account_id, block);
ALTER TABLE usage_uncounted SET (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000);
