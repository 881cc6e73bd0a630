-- Few events are absorbed, so their days are found without reading the others; an event that is not costs this index nothing.
CREATE INDEX usage_event_absorbed ON usage_event (created_at, account_id) INCLUDE (absorbed_nanos) WHERE absorbed_nanos > 0;
