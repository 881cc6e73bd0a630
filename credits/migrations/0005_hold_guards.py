"""What Django's schema editor cannot say of holds, limits and seals: keys by account, ends that are final."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/holds.sql, which is reviewed as code."""

    dependencies = (("credits", "0004_holds_limits_seals"),)

    operations = (migrations.RunSQL((SQL / "holds.sql").read_text()),)
