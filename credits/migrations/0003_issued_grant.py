"""A view for other apps: which source issued how much."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/issued_grant.sql."""

    dependencies = (("credits", "0002_keys_and_guards"),)

    operations = (migrations.RunSQL((SQL / "issued_grant.sql").read_text(), "DROP VIEW issued_grant"),)
