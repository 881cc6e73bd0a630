"""What an event counts as, said once; and of how many accounts the usage did not add up when it was folded."""

from pathlib import Path

from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/counted_event.sql, which is reviewed as code."""

    dependencies = (("usage", "0014_price_permissions"),)

    operations = (
        migrations.RunSQL((SQL / "counted_event.sql").read_text()),
        migrations.AddField("foldmark", "differing", models.IntegerField(db_default=0)),
    )
