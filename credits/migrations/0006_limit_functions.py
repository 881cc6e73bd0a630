"""The rules of spending limits as functions: windows, counting, what blocks."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/limits.sql, which is reviewed as code."""

    dependencies = (("credits", "0005_hold_guards"),)

    operations = (migrations.RunSQL((SQL / "limits.sql").read_text()),)
