"""House accounts, their guards, and what usage may read of them."""

from pathlib import Path

import django.db.models.deletion
from django.db import migrations, models

SQL = Path(__file__).resolve().parent.parent / "sql"


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('credits', '0007_hold_functions'),
    ]

    operations = [
        migrations.CreateModel(
            name='HouseAccount',
            fields=[
                ('house', models.CharField(choices=[('absorbed', 'Absorbed'), ('provider_fee', 'Provider Fee'), ('tax', 'Tax'), ('write_off', 'Write Off')], max_length=12, primary_key=True, serialize=False)),
                ('balance_nanos', models.BigIntegerField(default=0)),
                ('next_seq', models.BigIntegerField(default=1)),
                ('clock_at', models.DateTimeField()),
                ('through_on', models.DateField(blank=True, null=True)),
            ],
            options={
                'db_table': 'house_account',
                'constraints': [models.CheckConstraint(condition=models.Q(('house__in', ['absorbed', 'provider_fee', 'tax', 'write_off'])), name='house_account_known'), models.CheckConstraint(condition=models.Q(('next_seq__gte', 1)), name='house_account_counts_from_one')],
            },
        ),
        migrations.CreateModel(
            name='HouseEntry',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('house', models.CharField(choices=[('absorbed', 'Absorbed'), ('provider_fee', 'Provider Fee'), ('tax', 'Tax'), ('write_off', 'Write Off')], max_length=12)),
                ('seq', models.BigIntegerField()),
                ('amount_nanos', models.BigIntegerField()),
                ('balance_after_nanos', models.BigIntegerField()),
                ('source_key', models.CharField(max_length=200)),
                ('occurred_on', models.DateField()),
                ('created_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
            ],
            options={
                'verbose_name_plural': 'house entries',
                'db_table': 'house_entry',
                'indexes': [models.Index(fields=['account', 'occurred_on'], name='house_entry_by_account')],
                'constraints': [models.UniqueConstraint(fields=('house', 'seq'), name='house_entry_once_per_seq'), models.UniqueConstraint(fields=('house', 'source_key'), name='house_entry_once_per_source_key'), models.CheckConstraint(condition=models.Q(('house__in', ['absorbed', 'provider_fee', 'tax', 'write_off'])), name='house_entry_of_a_known_house'), models.CheckConstraint(condition=models.Q(('amount_nanos', 0), _negated=True), name='house_entry_moves_something'), models.CheckConstraint(condition=models.Q(('seq__gte', 1)), name='house_entry_counts_from_one')],
            },
        ),
        migrations.RunSQL((SQL / "house.sql").read_text()),
    ]
