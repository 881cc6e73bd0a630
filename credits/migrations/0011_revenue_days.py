"""Revenue by account and UTC day, and what it is folded from."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('credits', '0010_usage_charge_balances'),
    ]

    operations = [
        migrations.CreateModel(
            name='RevenueMark',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('through_on', models.DateField()),
            ],
            options={
                'db_table': 'revenue_mark',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='revenue_mark_is_one_row')],
            },
        ),
        migrations.CreateModel(
            name='RevenueTotal',
            fields=[
                ('paid_nanos', models.BigIntegerField()),
                ('promo_nanos', models.BigIntegerField()),
                ('owed_nanos', models.BigIntegerField()),
                ('settled_paid_nanos', models.BigIntegerField()),
                ('settled_promo_nanos', models.BigIntegerField()),
                ('written_off_nanos', models.BigIntegerField()),
                ('returned_paid_nanos', models.BigIntegerField()),
                ('returned_promo_nanos', models.BigIntegerField()),
                ('returned_owed_nanos', models.BigIntegerField()),
                ('breakage_paid_nanos', models.BigIntegerField()),
                ('breakage_promo_nanos', models.BigIntegerField()),
                ('day', models.DateField(primary_key=True, serialize=False)),
            ],
            options={
                'db_table': 'revenue_total',
                'constraints': [models.CheckConstraint(condition=models.Q(('owed_nanos__gte', 0), ('paid_nanos__gte', 0), ('promo_nanos__gte', 0), ('returned_owed_nanos__gte', 0), ('returned_paid_nanos__gte', 0), ('returned_promo_nanos__gte', 0), ('settled_paid_nanos__gte', 0), ('settled_promo_nanos__gte', 0), ('written_off_nanos__gte', 0)), name='revenue_total_not_negative')],
            },
        ),
        migrations.CreateModel(
            name='RevenueDay',
            fields=[
                ('paid_nanos', models.BigIntegerField()),
                ('promo_nanos', models.BigIntegerField()),
                ('owed_nanos', models.BigIntegerField()),
                ('settled_paid_nanos', models.BigIntegerField()),
                ('settled_promo_nanos', models.BigIntegerField()),
                ('written_off_nanos', models.BigIntegerField()),
                ('returned_paid_nanos', models.BigIntegerField()),
                ('returned_promo_nanos', models.BigIntegerField()),
                ('returned_owed_nanos', models.BigIntegerField()),
                ('breakage_paid_nanos', models.BigIntegerField()),
                ('breakage_promo_nanos', models.BigIntegerField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
            ],
            options={
                'db_table': 'revenue_day',
                'indexes': [models.Index(fields=['day', 'account'], name='revenue_day_by_day')],
                'constraints': [models.UniqueConstraint(fields=('account', 'day'), name='revenue_day_once'), models.CheckConstraint(condition=models.Q(('owed_nanos__gte', 0), ('paid_nanos__gte', 0), ('promo_nanos__gte', 0), ('returned_owed_nanos__gte', 0), ('returned_paid_nanos__gte', 0), ('returned_promo_nanos__gte', 0), ('settled_paid_nanos__gte', 0), ('settled_promo_nanos__gte', 0), ('written_off_nanos__gte', 0)), name='revenue_day_not_negative')],
            },
        ),
        migrations.RunSQL((SQL / "revenue.sql").read_text()),
    ]
