"""No two prices in force at once, what is in force stays, and events are charged with what rated them."""

from pathlib import Path

from django.db import migrations

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/price_periods.sql and charge_one.sql, which are reviewed as code."""

    dependencies = (("usage", "0008_price_periods_and_refunds"), ("credits", "0010_usage_charge_balances"))

    operations = (
        migrations.RunSQL((SQL / "price_periods.sql").read_text()),
        migrations.RunSQL((SQL / "charge_one.sql").read_text()),
    )
