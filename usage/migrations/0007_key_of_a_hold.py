"""An event that captured a hold without naming a key is told the hold's."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/key_guards.sql, which is reviewed as code."""

    dependencies = (("usage", "0006_absorbed_days"), ("credits", "0005_hold_guards"))

    operations = (migrations.RunSQL((SQL / "key_guards.sql").read_text()),)
