"""A multiplier that is yet to come can be taken back."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/multiplier_taken_back.sql, which is reviewed as code."""

    dependencies = (("usage", "0015_counted_event"),)

    operations = (migrations.RunSQL((SQL / "multiplier_taken_back.sql").read_text()),)
