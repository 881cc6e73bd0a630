-- As in price_periods.sql; and an active multiplier that is yet to come may become the draft again that it was: nothing was rated by it.
CREATE OR REPLACE FUNCTION usage_refuse_new_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND TG_TABLE_NAME = 'usage_pricemultiplier' AND OLD.effective_at > now() AND NEW.activated_at IS NULL
        AND to_jsonb(NEW) - 'activated_at' = to_jsonb(OLD) - 'activated_at' THEN
        RETURN NEW;
    END IF;
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - 'ends_at' IS DISTINCT FROM to_jsonb(OLD) - 'ends_at' OR NEW.ends_at IS NULL
        OR NEW.ends_at > OLD.ends_at THEN
        RAISE EXCEPTION '%: % is refused, what is in force stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;
