-- A price is in force for a period. No two of one model overlap, nor two multipliers of one scope; what is active is never rewritten, but
-- that its end may come nearer, when a successor is activated.
CREATE EXTENSION IF NOT EXISTS btree_gist;

CREATE FUNCTION usage_refuse_new_terms() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' OR to_jsonb(NEW) - 'ends_at' IS DISTINCT FROM to_jsonb(OLD) - 'ends_at' OR NEW.ends_at IS NULL
        OR NEW.ends_at > OLD.ends_at THEN
        RAISE EXCEPTION '%: % is refused, what is in force stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END
$$;

DROP TRIGGER price_version_fixed_once_active ON usage_priceversion;
UPDATE usage_priceversion v SET ends_at = later.effective_at
FROM (
    SELECT id, lead(effective_at) OVER (PARTITION BY model_id ORDER BY effective_at) AS effective_at
    FROM usage_priceversion WHERE activated_at IS NOT NULL
) later
WHERE later.id = v.id AND later.effective_at IS NOT NULL;
CREATE TRIGGER price_version_fixed_once_active BEFORE UPDATE OR DELETE ON usage_priceversion
    FOR EACH ROW WHEN (OLD.activated_at IS NOT NULL) EXECUTE FUNCTION usage_refuse_new_terms();
ALTER TABLE usage_priceversion ADD CONSTRAINT price_version_one_in_force
    EXCLUDE USING gist (model_id WITH =, tstzrange(effective_at, ends_at) WITH &&) WHERE (activated_at IS NOT NULL);

CREATE TRIGGER price_multiplier_fixed_once_active BEFORE UPDATE OR DELETE ON usage_pricemultiplier
    FOR EACH ROW WHEN (OLD.activated_at IS NOT NULL) EXECUTE FUNCTION usage_refuse_new_terms();
ALTER TABLE usage_pricemultiplier ADD CONSTRAINT price_multiplier_one_in_force
    EXCLUDE USING gist (tier WITH =, coalesce(account_id, 0) WITH =, coalesce(model_id, 0) WITH =, tstzrange(effective_at, ends_at) WITH &&)
    WHERE (activated_at IS NOT NULL);

CREATE FUNCTION usage_refuse_other_provider_cost() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM usage_priceversion WHERE id IN (OLD.version_id, NEW.version_id) AND activated_at IS NOT NULL) THEN
        RAISE EXCEPTION '%: % is refused, its price is in force', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN coalesce(NEW, OLD);
END
$$;
CREATE TRIGGER provider_cost_fixed_once_active BEFORE INSERT OR UPDATE OR DELETE ON usage_providercost
    FOR EACH ROW EXECUTE FUNCTION usage_refuse_other_provider_cost();

-- What rated an event is as fixed as what was reported. What was given back of it only grows.
CREATE TRIGGER usage_event_rating_fixed BEFORE UPDATE OF multiplier_id, provider_cost_nanos ON usage_event
    FOR EACH STATEMENT EXECUTE FUNCTION usage_refuse_change();
CREATE TRIGGER usage_event_refunds_grow BEFORE UPDATE OF refunded_nanos ON usage_event
    FOR EACH ROW WHEN (NEW.refunded_nanos < OLD.refunded_nanos) EXECUTE FUNCTION usage_refuse_change();
