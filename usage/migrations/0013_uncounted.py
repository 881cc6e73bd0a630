"""What is booked and not counted yet."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):
    """Runs usage/sql/uncounted.sql and charge_one.sql, which are reviewed as code."""

    dependencies = (("usage", "0012_refund_permission"), ("accounts", "0001_initial"))

    operations = (
        migrations.CreateModel(
            name="UncountedBlock",
            fields=[
                ("id", models.BigAutoField(primary_key=True, serialize=False)),
                ("block", models.BigIntegerField()),
                ("received_at", models.DateTimeField()),
                ("events", models.IntegerField()),
                (
                    "account",
                    models.ForeignKey(
                        db_constraint=False,
                        db_index=False,
                        on_delete=django.db.models.deletion.DO_NOTHING,
                        related_name="+",
                        to="accounts.account",
                    ),
                ),
            ],
            options={
                "db_table": "usage_uncounted",
                "constraints": [
                    models.UniqueConstraint(fields=("account", "block"), name="uncounted_once_per_block"),
                    models.CheckConstraint(condition=models.Q(("events__gt", 0)), name="uncounted_counts_something"),
                ],
            },
        ),
        migrations.RunSQL((SQL / "uncounted.sql").read_text()),
        migrations.RunSQL((SQL / "charge_one.sql").read_text()),
    )
