-- The hot tables are keyed by their account first, so that they can be distributed by it and a page of one account's history is
-- one range of the primary key. `id` is only looked up singly (the admin): rows are written in its order, so a BRIN index finds
-- it and costs nothing on insert.
ALTER TABLE ledger_entry DROP CONSTRAINT ledger_entry_pkey;
ALTER TABLE ledger_entry ADD PRIMARY KEY (account_id, seq);
CREATE INDEX ledger_entry_id ON ledger_entry USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
CREATE UNIQUE INDEX entry_once_per_source_key ON ledger_entry (account_id, source_key) WHERE source_key IS NOT NULL;
CREATE INDEX entry_other_than_usage ON ledger_entry (account_id, kind, seq) WHERE kind <> 'usage';

ALTER TABLE allocation DROP CONSTRAINT allocation_pkey;
ALTER TABLE allocation ADD PRIMARY KEY (account_id, id);
CREATE INDEX allocation_id ON allocation USING brin (id) WITH (pages_per_range = 32, autosummarize = on);
-- Pay rows tile the spent positions and settle rows are disjoint: no two of them end at one position.
CREATE UNIQUE INDEX allocation_pays_once ON allocation (account_id, to_nanos) WHERE role = 'pay';
CREATE UNIQUE INDEX allocation_settles_once ON allocation (account_id, to_nanos) WHERE role = 'settle';
CREATE INDEX allocation_shortfalls ON allocation (account_id, to_nanos) WHERE role = 'pay' AND grant_id IS NULL;
CREATE INDEX allocation_returns ON allocation (account_id, reverses) WHERE role = 'return';

-- Updated at every act: leave room for heap-only updates.
ALTER TABLE wallet SET (fillfactor = 60);
ALTER TABLE credit_grant SET (fillfactor = 60);

-- What other apps may read of usage entries, so that no SQL outside credits names a ledger table.
CREATE VIEW usage_charge AS
    SELECT account_id, source_id AS event_id, -amount_nanos AS charged_nanos, occurred_at
    FROM ledger_entry WHERE kind = 'usage' AND source_type = 'usage_event';
