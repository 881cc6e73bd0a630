"""What was given back of each usage event, for the app that counts them."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/usage_return.sql, which is reviewed as code."""

    dependencies = (("credits", "0011_revenue_days"),)

    operations = (migrations.RunSQL((SQL / "usage_return.sql").read_text()),)
