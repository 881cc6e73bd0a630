-- A lifetime row for each account that has something to be counted.
WITH waiting AS (
    SELECT account_id FROM usage_uncounted WHERE account_id = ANY(%(accounts)s) GROUP BY account_id ORDER BY account_id
)
INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens,
    cost_nanos)
SELECT account_id, 0, 0, 0, 0, 0, 0, 0 FROM waiting
ON CONFLICT (account_id) DO NOTHING
