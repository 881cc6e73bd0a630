"""The days on which the operator bore something, found without reading all events."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/absorbed.sql, which is reviewed as code."""

    dependencies = (("usage", "0005_charge_one"), ("credits", "0008_house"))

    operations = (migrations.RunSQL((SQL / "absorbed.sql").read_text()),)
