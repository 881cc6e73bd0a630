-- What becomes of the holds that events name, under the wallets' locks and after what was due: an open one is captured by the first
-- event of the batch that names it. Usage that comes after a hold was voided or has expired happened all the same: it is flagged.
WITH named AS (
    SELECT f.position, h.status, h.amount_nanos, h.api_key_id, h.opened_at, h.expires_at,
        h.status = 'open' AND row_number() OVER (PARTITION BY f.account_id, f.hold ORDER BY f.position) = 1 AS captures
    FROM fresh_charge f LEFT JOIN hold h ON h.account_id = f.account_id AND h.public_id = f.hold
    WHERE f.hold IS NOT NULL
)
UPDATE fresh_charge f SET
    refusal = CASE WHEN n.status IS NULL THEN 'unknown_hold'
        WHEN n.status IN ('open', 'captured') AND NOT n.captures THEN 'hold_already_captured' END,
    flag = CASE n.status WHEN 'voided' THEN 'after_void' WHEN 'expired' THEN 'late' END,
    hold_nanos = CASE WHEN n.captures THEN n.amount_nanos END,
    hold_key_id = CASE WHEN n.captures THEN n.api_key_id END,
    hold_opened_at = CASE WHEN n.captures THEN n.opened_at END,
    hold_expires_at = CASE WHEN n.captures THEN n.expires_at END,
    -- Usage that names no key was spent by the key its hold was opened for: it counts against that one's limit, and is told to the event.
    api_key_id = CASE WHEN n.captures THEN coalesce(f.api_key_id, n.api_key_id) ELSE f.api_key_id END
FROM named n WHERE f.position = n.position
RETURNING f.position, f.refusal, f.hold_nanos, f.api_key_id
