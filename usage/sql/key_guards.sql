-- What was reported stays, but for one thing that its booking tells an event: where it named a hold and no key, it was spent by the
-- hold's. Said once, it stays as well.
DROP TRIGGER usage_event_report_fixed ON usage_event;
CREATE TRIGGER usage_event_report_fixed BEFORE UPDATE OF id, account_id, event_id, fingerprint, model_id, price_version_id, status,
    input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos,
    endpoint, metadata, local_date, occurred_at, created_at
    ON usage_event FOR EACH STATEMENT EXECUTE FUNCTION usage_refuse_change();
CREATE TRIGGER usage_event_key_fixed BEFORE UPDATE OF api_key_id ON usage_event
    FOR EACH ROW WHEN (OLD.api_key_id IS DISTINCT FROM NEW.api_key_id AND (OLD.api_key_id IS NOT NULL OR OLD.hold IS NULL))
    EXECUTE FUNCTION usage_refuse_change();
