"""What Django's schema editor cannot say: keys by account, append-only triggers, room for heap-only updates."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/*.sql, which are reviewed as code. There is no way back: the guards are not to be lifted by a migration."""

    dependencies = (("credits", "0001_initial"),)

    operations = (
        migrations.RunSQL((SQL / "keys.sql").read_text()),
        migrations.RunSQL((SQL / "append_only.sql").read_text()),
    )
