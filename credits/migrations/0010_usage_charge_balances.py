"""What a usage charge left, for whoever asks what another price would have left."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/usage_charge_balances.sql, which is reviewed as code."""

    dependencies = (("credits", "0009_bisection_and_write_offs"),)

    operations = (migrations.RunSQL((SQL / "usage_charge_balances.sql").read_text()),)
