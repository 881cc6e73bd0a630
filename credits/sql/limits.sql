-- Spending limits: windows, buckets, what counts, what blocks. Called under the wallet's lock; `p_at` is the wallet's clock, for SQL
-- never asks what time it is. Times of a window's length are given in hours: a day may have 23 or 25 of them, 24 hours never.

-- PostgreSQL takes these four names for abbreviations, which know no summer time: they are said by the zones that they are links to.
CREATE FUNCTION limit_clock(p_zone text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_zone WHEN 'CET' THEN 'Europe/Brussels' WHEN 'MET' THEN 'Europe/Brussels' WHEN 'EET' THEN 'Europe/Athens'
        WHEN 'WET' THEN 'Europe/Lisbon' ELSE p_zone END
$$;

-- The instant at which a local day begins, as core.zones.midnight. A midnight that comes twice (Havana in November) begins the day at
-- its first, which PostgreSQL would not choose: it is looked for by the offset in force hours before. One that is skipped begins at
-- the skip.
CREATE FUNCTION limit_midnight(p_zone text, p_day date) RETURNS timestamptz LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    clock text := limit_clock(p_zone);
    late timestamptz := p_day::timestamp AT TIME ZONE clock;
    eve timestamptz := late - interval '6 hours';
    early timestamptz := p_day::timestamp AT TIME ZONE 'UTC' - ((eve AT TIME ZONE clock) - (eve AT TIME ZONE 'UTC'));
BEGIN
    IF early < late AND early AT TIME ZONE clock = p_day::timestamp THEN
        RETURN early;
    END IF;
    RETURN late;
END
$$;

-- The local day whose midnight was the last one at `p_at`. Where a clock goes back over midnight the calendar shows yesterday once
-- more; the new day has begun all the same, so that days follow each other without overlap.
CREATE FUNCTION limit_local_day(p_zone text, p_at timestamptz) RETURNS date LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    shown date := (p_at AT TIME ZONE limit_clock(p_zone))::date;
BEGIN
    IF limit_midnight(p_zone, shown + 1) <= p_at THEN
        RETURN shown + 1;
    ELSIF limit_midnight(p_zone, shown) > p_at THEN
        RETURN shown - 1;
    END IF;
    RETURN shown;
END
$$;

CREATE FUNCTION limit_unit(p_duration text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_duration WHEN 'daily' THEN 'day' WHEN 'weekly' THEN 'week' WHEN 'monthly' THEN 'month' END
$$;

CREATE FUNCTION limit_length(p_duration text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_duration WHEN 'daily' THEN interval '24 hours' WHEN 'weekly' THEN interval '168 hours'
        WHEN 'monthly' THEN interval '720 hours' END
$$;

CREATE FUNCTION limit_width(p_duration text) RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE p_duration WHEN 'daily' THEN interval '5 minutes' WHEN 'weekly' THEN interval '1 hour'
        WHEN 'monthly' THEN interval '6 hours' END
$$;

-- Where the bucket begins that holds an instant: of a fixed limit the whole calendar window (local day, week from Monday, month), of a
-- sliding one 5 minutes, 1 hour or 6 hours counted from 1970.
CREATE FUNCTION limit_bucket_start(p_strategy text, p_duration text, p_zone text, p_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF p_strategy = 'sliding' THEN
        RETURN date_bin(limit_width(p_duration), p_at, timestamptz '1970-01-01 00:00:00+00');
    ELSIF p_zone = 'UTC' THEN -- What most accounts have, without the search for midnights.
        RETURN date_trunc(limit_unit(p_duration), p_at, 'UTC');
    END IF;
    RETURN limit_midnight(p_zone, date_trunc(limit_unit(p_duration), limit_local_day(p_zone, p_at)::timestamp)::date);
END
$$;

-- Where the oldest bucket begins that counts at an instant. A sliding limit counts it whole, so that it never counts too little.
CREATE FUNCTION limit_counts_since(p_strategy text, p_duration text, p_zone text, p_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
BEGIN
    IF p_strategy = 'sliding' THEN
        RETURN limit_bucket_start(p_strategy, p_duration, p_zone, p_at - limit_length(p_duration));
    END IF;
    RETURN limit_bucket_start(p_strategy, p_duration, p_zone, p_at);
END
$$;

-- When a bucket stops to count: of a fixed limit when the next window begins, of a sliding one when its last instant is a window's
-- length ago.
CREATE FUNCTION limit_bucket_leaves_at(p_strategy text, p_duration text, p_zone text, p_start timestamptz) RETURNS timestamptz
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    unit text := limit_unit(p_duration);
BEGIN
    IF p_strategy = 'sliding' THEN
        RETURN p_start + limit_width(p_duration) + limit_length(p_duration);
    END IF;
    RETURN limit_midnight(
        p_zone, (date_trunc(unit, limit_local_day(p_zone, p_start)::timestamp) + ('1 ' || unit)::interval)::date
    );
END
$$;

-- The next instant at which time alone changes what counts: a fixed limit's next window; of a sliding one, when the oldest bucket
-- leaves (within one bucket's width). When a certain amount will fit is `limit_frees_at`.
CREATE FUNCTION limit_resets_at(p_strategy text, p_duration text, p_zone text, p_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT limit_bucket_leaves_at(p_strategy, p_duration, p_zone, limit_counts_since(p_strategy, p_duration, p_zone, p_at))
$$;

CREATE FUNCTION limit_zone_in_force(p_account bigint, p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN next_zone_at IS NOT NULL AND p_at >= next_zone_at THEN next_zone ELSE zone END
    FROM accounts_account WHERE id = p_account
$$;

-- What a limit has counted since then.
CREATE FUNCTION limit_sum(p_limit spending_limit, p_since timestamptz) RETURNS numeric LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((
        SELECT sum(nanos) FROM limit_bucket
        WHERE account_id = (p_limit).account_id AND limit_id = (p_limit).id AND starts_at >= p_since
    ), 0);
END
$$;

CREATE FUNCTION limit_used(p_limit spending_limit, p_at timestamptz) RETURNS numeric LANGUAGE sql STABLE AS $$
    SELECT limit_sum(p_limit, limit_counts_since((p_limit).strategy, (p_limit).duration, (p_limit).zone, p_at))
$$;

-- When an amount will fit if nothing else is spent or given back: the first instant at which enough of the oldest buckets have left.
-- An amount above the limit itself never fits: then when the window is empty.
CREATE FUNCTION limit_frees_at(p_limit spending_limit, p_amount bigint, p_at timestamptz) RETURNS timestamptz
LANGUAGE plpgsql STABLE AS $$
DECLARE
    since timestamptz := limit_counts_since((p_limit).strategy, (p_limit).duration, (p_limit).zone, p_at);
    last_to_leave timestamptz;
BEGIN
    SELECT coalesce(min(starts_at) FILTER (WHERE newer + p_amount <= (p_limit).amount_nanos), max(starts_at)) INTO last_to_leave
    FROM (
        SELECT starts_at, coalesce(sum(nanos) OVER (
            ORDER BY starts_at DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
        ), 0) AS newer
        FROM limit_bucket
        WHERE account_id = (p_limit).account_id AND limit_id = (p_limit).id AND starts_at >= since AND nanos > 0
    ) AS bucket;
    RETURN limit_bucket_leaves_at((p_limit).strategy, (p_limit).duration, (p_limit).zone, coalesce(last_to_leave, since));
END
$$;

-- When what counts next falls by itself: at a fixed limit's next window; for a sliding one when its oldest spending leaves, never where
-- nothing counts.
CREATE FUNCTION limit_falls_at(p_limit spending_limit, p_at timestamptz) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $$
DECLARE
    since timestamptz := limit_counts_since((p_limit).strategy, (p_limit).duration, (p_limit).zone, p_at);
BEGIN
    IF (p_limit).strategy = 'fixed' THEN
        RETURN limit_resets_at((p_limit).strategy, (p_limit).duration, (p_limit).zone, p_at);
    END IF;
    RETURN (
        SELECT limit_bucket_leaves_at((p_limit).strategy, (p_limit).duration, (p_limit).zone, min(starts_at)) FROM limit_bucket
        WHERE account_id = (p_limit).account_id AND limit_id = (p_limit).id AND starts_at >= since AND nanos > 0
    );
END
$$;

-- The first entry of an account booked at or after an instant; created_at never falls along seq, so some 24 probes of the primary key
-- find it among ten million.
CREATE FUNCTION limit_first_seq(p_account bigint, p_at timestamptz) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    low bigint := 1;
    high bigint := coalesce((SELECT max(seq) FROM ledger_entry WHERE account_id = p_account), 0) + 1;
    middle bigint;
BEGIN
    WHILE low < high LOOP
        middle := (low + high) / 2;
        IF (SELECT created_at FROM ledger_entry WHERE account_id = p_account AND seq = middle) < p_at THEN
            low := middle + 1;
        ELSE
            high := middle;
        END IF;
    END LOOP;
    RETURN low;
END
$$;

-- What counts against a limit, bucket by bucket, from the ledger and the holds alone:
-- an open hold where it opened; a charge where it was booked; a charge that captured a hold up to the hold's amount where the hold
-- opened, and above it where the charge was booked, each after what was given back, which lowers the part above the hold first.
CREATE FUNCTION limit_recount(p_limit spending_limit, p_at timestamptz) RETURNS TABLE (starts_at timestamptz, nanos bigint)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    since timestamptz := limit_counts_since((p_limit).strategy, (p_limit).duration, (p_limit).zone, p_at);
    first_seq bigint := limit_first_seq((p_limit).account_id, since);
BEGIN
    RETURN QUERY
    WITH refunded AS MATERIALIZED (
        SELECT r.reverses AS seq, sum(r.amount_nanos) AS nanos FROM ledger_entry r
        WHERE r.account_id = (p_limit).account_id AND r.kind = 'usage_refund' AND r.seq > first_seq
        GROUP BY r.reverses
    ), charge AS (
        SELECT e.created_at, h.opened_at, -e.amount_nanos - coalesce(r.nanos, 0) AS kept, coalesce(h.amount_nanos, 0) AS hold_nanos
        FROM ledger_entry e
        LEFT JOIN refunded r ON r.seq = e.seq
        LEFT JOIN hold h ON h.account_id = (p_limit).account_id AND h.event_id = e.source_id AND h.status = 'captured'
        WHERE e.account_id = (p_limit).account_id AND e.seq >= first_seq AND e.kind = 'usage'
            AND ((p_limit).api_key_id IS NULL OR e.api_key_id = (p_limit).api_key_id)
    ), counted AS (
        SELECT h.opened_at AS at, h.amount_nanos::numeric AS nanos FROM hold h
        WHERE h.account_id = (p_limit).account_id AND h.status = 'open'
            AND ((p_limit).api_key_id IS NULL OR h.api_key_id = (p_limit).api_key_id)
        UNION ALL
        SELECT c.opened_at, least(c.kept, c.hold_nanos) FROM charge c WHERE c.opened_at IS NOT NULL
        UNION ALL
        SELECT c.created_at, greatest(c.kept - c.hold_nanos, 0) FROM charge c
    ), bucket AS (
        -- Few instants are many: each is placed once.
        SELECT limit_bucket_start((p_limit).strategy, (p_limit).duration, (p_limit).zone, a.at) AS start, sum(a.nanos) AS nanos
        FROM (SELECT counted.at, sum(counted.nanos) AS nanos FROM counted WHERE counted.at >= since GROUP BY counted.at) AS a
        GROUP BY 1
    )
    SELECT bucket.start, bucket.nanos::bigint FROM bucket WHERE bucket.nanos > 0;
END
$$;

-- Fill a limit's buckets anew.
CREATE FUNCTION limit_fill(p_limit bigint, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    chosen spending_limit;
BEGIN
    SELECT * INTO STRICT chosen FROM spending_limit WHERE id = p_limit;
    DELETE FROM limit_bucket WHERE account_id = chosen.account_id AND limit_id = chosen.id;
    INSERT INTO limit_bucket (account_id, limit_id, starts_at, nanos)
    SELECT chosen.account_id, chosen.id, r.starts_at, r.nanos FROM limit_recount(chosen, p_at) r;
END
$$;

-- Where another zone is in force than the one a limit's buckets were filled by, it takes over: windows by the new calendar. To be
-- called before an act writes what it counts: filling anew reads everything that is written.
CREATE FUNCTION limit_refresh(p_account bigint, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    in_force text := limit_zone_in_force(p_account, p_at);
    outdated bigint;
BEGIN
    FOR outdated IN SELECT id FROM spending_limit WHERE account_id = p_account AND zone <> in_force ORDER BY id LOOP
        UPDATE spending_limit SET zone = in_force WHERE id = outdated;
        PERFORM limit_fill(outdated, p_at);
    END LOOP;
END
$$;

-- Note which thresholds a limit has reached, once per window and amount of the limit. The window of a sliding limit is a span of its
-- length since 1970.
CREATE FUNCTION limit_note(p_limit spending_limit, p_since timestamptz, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    used numeric := limit_sum(p_limit, p_since);
    window_start timestamptz := p_since;
BEGIN
    IF used = 0 OR used * 2 < (p_limit).amount_nanos THEN
        RETURN;
    ELSIF (p_limit).strategy = 'sliding' THEN
        window_start := date_bin(limit_length((p_limit).duration), p_at, timestamptz '1970-01-01 00:00:00+00');
    END IF;
    INSERT INTO limit_notice (account_id, limit_id, window_starts_at, percent, amount_nanos, used_nanos, noted_at)
    SELECT (p_limit).account_id, (p_limit).id, window_start, t.percent, (p_limit).amount_nanos, used, p_at
    FROM unnest(ARRAY[50, 75, 100]) AS t (percent)
    WHERE used * 100 >= (p_limit).amount_nanos::numeric * t.percent AND NOT EXISTS (
        SELECT FROM limit_notice n WHERE n.limit_id = (p_limit).id AND n.window_starts_at = window_start AND n.percent = t.percent
            AND n.amount_nanos = (p_limit).amount_nanos
    )
    ON CONFLICT DO NOTHING;
END
$$;

-- Note what a limit has reached by itself: to be called when its terms have changed.
CREATE FUNCTION limit_note_now(p_limit bigint, p_at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    l spending_limit;
BEGIN
    SELECT * INTO STRICT l FROM spending_limit WHERE id = p_limit;
    PERFORM limit_note(l, limit_counts_since(l.strategy, l.duration, l.zone, p_at), p_at);
END
$$;

-- Add to one bucket, or take back from it. Buckets are a cache: where one holds less than is taken back, an act has not counted what
-- it should have, but money does not stop for that. It falls to 0, the server's log tells, and the nightly recount names the account.
CREATE FUNCTION limit_bucket_add(p_account bigint, p_limit bigint, p_starts_at timestamptz, p_nanos bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    before bigint;
BEGIN
    UPDATE limit_bucket SET nanos = greatest(nanos + p_nanos, 0)
    WHERE account_id = p_account AND limit_id = p_limit AND starts_at = p_starts_at
    RETURNING old.nanos INTO before;
    IF before IS NULL AND p_nanos > 0 THEN
        INSERT INTO limit_bucket (account_id, limit_id, starts_at, nanos) VALUES (p_account, p_limit, p_starts_at, p_nanos);
    ELSIF coalesce(before, 0) + p_nanos < 0 THEN
        RAISE WARNING 'limit % of account %: % nanos taken back from the bucket at %, which holds %',
            p_limit, p_account, -p_nanos, p_starts_at, coalesce(before, 0);
    END IF;
END
$$;

-- Where in a limit's buckets an instant counts, given since when it counts: NULL where it counts no more.
CREATE FUNCTION limit_bucket_of(p_limit spending_limit, p_since timestamptz, p_counted_at timestamptz) RETURNS timestamptz
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN p_counted_at < p_since THEN NULL WHEN (p_limit).strategy = 'fixed' THEN p_since
        ELSE limit_bucket_start((p_limit).strategy, (p_limit).duration, (p_limit).zone, p_counted_at) END
$$;

-- Count an amount, or take one back, where it was spent: in the account's limit and in the key's. Buckets that count no more are left
-- alone.
CREATE FUNCTION limit_count(p_account bigint, p_api_key bigint, p_counted_at timestamptz, p_nanos bigint, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    counting spending_limit;
    since timestamptz;
    bucket timestamptz;
BEGIN
    IF p_nanos = 0 THEN
        RETURN;
    END IF;
    FOR counting IN SELECT * FROM spending_limit WHERE account_id = p_account AND (api_key_id IS NULL OR api_key_id = p_api_key) LOOP
        since := limit_counts_since(counting.strategy, counting.duration, counting.zone, p_at);
        bucket := limit_bucket_of(counting, since, p_counted_at);
        CONTINUE WHEN bucket IS NULL;
        PERFORM limit_bucket_add(p_account, counting.id, bucket, p_nanos);
        IF p_nanos > 0 THEN
            PERFORM limit_note(counting, since, p_at);
        END IF;
    END LOOP;
END
$$;

-- Count one charge, whose hold (`p_held`, 0 where it captured none; `p_hold_key` is that one's key) was counted where it opened. That
-- is taken back, the charge counts up to as much where the hold did, and beyond it now. All of it is counted before a threshold is
-- noted, so that nothing is noted that was never reached. batch_limits.sql does the same for many.
CREATE FUNCTION limit_count_charge(p_account bigint, p_api_key bigint, p_charged bigint, p_hold_key bigint, p_opened_at timestamptz,
    p_held bigint, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    counting spending_limit;
    since timestamptz;
    bucket timestamptz;
    counts_hold boolean;
    counts_charge boolean;
    moved bigint;
BEGIN
    FOR counting IN
        SELECT * FROM spending_limit WHERE account_id = p_account AND (api_key_id IS NULL OR api_key_id IN (p_api_key, p_hold_key))
    LOOP
        since := limit_counts_since(counting.strategy, counting.duration, counting.zone, p_at);
        bucket := limit_bucket_of(counting, since, p_opened_at);
        counts_hold := counting.api_key_id IS NULL OR counting.api_key_id IS NOT DISTINCT FROM p_hold_key;
        counts_charge := counting.api_key_id IS NULL OR counting.api_key_id IS NOT DISTINCT FROM p_api_key;
        moved := CASE WHEN counts_charge THEN least(p_charged, p_held) ELSE 0 END - CASE WHEN counts_hold THEN p_held ELSE 0 END;
        IF moved <> 0 AND bucket IS NOT NULL THEN
            PERFORM limit_bucket_add(p_account, counting.id, bucket, moved);
        END IF;
        CONTINUE WHEN p_charged = 0 OR NOT counts_charge;
        IF p_charged > p_held THEN
            PERFORM limit_bucket_add(p_account, counting.id, limit_bucket_of(counting, since, p_at), p_charged - p_held);
        END IF;
        PERFORM limit_note(counting, since, p_at);
    END LOOP;
END
$$;

-- The first limit (the account's before the key's) that an amount would pass, or no row. `resets_at`: when it would fit, if nothing
-- else is spent or given back until then. To be called before the act writes anything that counts.
CREATE FUNCTION limit_blocking(p_account bigint, p_api_key bigint, p_amount bigint, p_at timestamptz)
RETURNS TABLE (limit_id bigint, api_key_id bigint, amount_nanos bigint, used_nanos bigint, resets_at timestamptz)
LANGUAGE plpgsql AS $$
DECLARE
    asked spending_limit;
    used numeric;
BEGIN
    PERFORM limit_refresh(p_account, p_at);
    FOR asked IN
        SELECT * FROM spending_limit l WHERE l.account_id = p_account AND (l.api_key_id IS NULL OR l.api_key_id = p_api_key)
        ORDER BY l.api_key_id NULLS FIRST
    LOOP
        used := limit_used(asked, p_at);
        IF used + p_amount > asked.amount_nanos THEN
            RETURN QUERY SELECT asked.id, asked.api_key_id, asked.amount_nanos, used::bigint, limit_frees_at(asked, p_amount, p_at);
            RETURN;
        END IF;
    END LOOP;
END
$$;
