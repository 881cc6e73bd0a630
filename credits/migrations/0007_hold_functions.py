"""Opening a hold and charging one event, each one function: one round trip."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/hold_functions.sql, which is reviewed as code."""

    dependencies = (("credits", "0006_limit_functions"),)

    operations = (migrations.RunSQL((SQL / "hold_functions.sql").read_text()),)
