-- What was reported about a hold is evidence as well. (What came of it, the flag and the charge, is told to the event by its booking.)
CREATE TRIGGER usage_event_hold_fixed BEFORE UPDATE OF hold ON usage_event
    FOR EACH STATEMENT EXECUTE FUNCTION usage_refuse_change();
