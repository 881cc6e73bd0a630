-- A page of /usage/recent is one range of the primary key. Ids are handed out in blocks, one per batch, so that a row's id is known
-- by its place in the batch and one nextval() serves them all.
ALTER TABLE usage_event DROP CONSTRAINT usage_event_pkey;
ALTER TABLE usage_event ADD PRIMARY KEY (account_id, created_at, id);
ALTER TABLE usage_event ALTER COLUMN id DROP IDENTITY;
CREATE UNIQUE INDEX event_once_per_id ON usage_event (account_id, event_id COLLATE "C");
CREATE INDEX usage_event_id ON usage_event USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
CREATE SEQUENCE usage_event_block;

-- Roll-ups are keyed by what they count (their unique constraint); `id` is for the admin.
ALTER TABLE usage_day DROP CONSTRAINT usage_day_pkey;
CREATE INDEX usage_day_id ON usage_day USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE usage_day SET (fillfactor = 70);
ALTER TABLE usage_quarter DROP CONSTRAINT usage_quarter_pkey;
CREATE INDEX usage_quarter_id ON usage_quarter USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
CREATE INDEX usage_quarter_starts_at ON usage_quarter USING brin (starts_at) WITH (pages_per_range = 32, autosummarize = on);
ALTER TABLE usage_quarter SET (fillfactor = 70);
ALTER TABLE usage_lifetime SET (fillfactor = 60);
