"""One event in one round trip."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/charge_one.sql, which is reviewed as code."""

    dependencies = (("usage", "0004_hold_guards"), ("credits", "0007_hold_functions"))

    operations = (migrations.RunSQL((SQL / "charge_one.sql").read_text()),)
