"""What Django's schema editor cannot say: keys by account, ids in blocks, guards."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/*.sql, which are reviewed as code."""

    dependencies = (("usage", "0001_initial"),)

    operations = (
        migrations.RunSQL((SQL / "keys.sql").read_text()),
        migrations.RunSQL((SQL / "guards.sql").read_text()),
    )
