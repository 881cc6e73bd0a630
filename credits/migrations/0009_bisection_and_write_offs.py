"""An entry by its instant or id, and the days on which the operator wrote debt off, found without reading all entries."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs credits/sql/bisection.sql and write_offs.sql, which are reviewed as code."""

    dependencies = (("credits", "0008_house"),)

    operations = (
        migrations.RunSQL((SQL / "bisection.sql").read_text()),
        migrations.RunSQL((SQL / "write_offs.sql").read_text()),
    )
