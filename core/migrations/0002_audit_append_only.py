"""The audit trail is append-only, also for raw SQL. TRUNCATE stays possible: tests empty tables by it, and it needs the owner's rights."""

from django.db import migrations

GUARD = """
CREATE FUNCTION core_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only', TG_TABLE_NAME USING ERRCODE = 'restrict_violation';
END $$;
CREATE TRIGGER audit_record_append_only BEFORE UPDATE OR DELETE ON core_auditrecord
    FOR EACH ROW EXECUTE FUNCTION core_refuse_change();
"""

UNGUARD = """
DROP TRIGGER audit_record_append_only ON core_auditrecord;
DROP FUNCTION core_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0001_initial")]

    operations = [migrations.RunSQL(GUARD, UNGUARD)]
