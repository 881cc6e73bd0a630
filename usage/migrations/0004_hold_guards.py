"""What Django's schema editor cannot say of events that name a hold."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/hold_guards.sql, which is reviewed as code."""

    dependencies = (("usage", "0003_events_of_holds"),)

    operations = (migrations.RunSQL((SQL / "hold_guards.sql").read_text()),)
