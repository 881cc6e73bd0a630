-- What a batch booked is marked as not counted yet, a row per account: roll-ups are made of it later, many batches at once.
INSERT INTO usage_uncounted (account_id, block, received_at, events)
SELECT account_id, %(block)s, %(now)s, events FROM unnest(%(accounts)s::bigint[], %(events)s::integer[]) AS booked (account_id, events)
