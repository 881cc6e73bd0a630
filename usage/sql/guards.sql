-- What a gateway reported is evidence, and an activated price is what somebody was charged by: neither is ever rewritten.
CREATE FUNCTION usage_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%: % is refused, what is recorded stays', TG_TABLE_NAME, TG_OP USING ERRCODE = 'restrict_violation';
END
$$;

CREATE TRIGGER usage_event_report_fixed BEFORE UPDATE OF id, account_id, event_id, fingerprint, api_key_id, model_id, price_version_id,
    status, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos,
    endpoint, metadata, local_date, occurred_at, created_at
    ON usage_event FOR EACH STATEMENT EXECUTE FUNCTION usage_refuse_change();

CREATE TRIGGER price_version_fixed_once_active BEFORE UPDATE OR DELETE ON usage_priceversion
    FOR EACH ROW WHEN (OLD.activated_at IS NOT NULL) EXECUTE FUNCTION usage_refuse_change();
