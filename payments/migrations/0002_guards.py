"""What Django's schema editor cannot say: what was agreed, and money that came, are never rewritten."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs payments/sql/guards.sql, which is reviewed as code."""

    dependencies = (("payments", "0001_initial"), ("credits", "0003_issued_grant"))

    operations = (migrations.RunSQL((SQL / "guards.sql").read_text()),)
