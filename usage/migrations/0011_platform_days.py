"""Usage of all accounts by UTC day and hour."""

import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('accounts', '0001_initial'),
        ('usage', '0010_shadow_run'),
    ]

    operations = [
        migrations.CreateModel(
            name='FoldedAccount',
            fields=[
                ('account', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='+', serialize=False, to='accounts.account')),
                ('events', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
            ],
            options={
                'db_table': 'usage_folded',
            },
        ),
        migrations.CreateModel(
            name='FoldMark',
            fields=[
                ('id', models.SmallIntegerField(primary_key=True, serialize=False)),
                ('counted_at', models.DateTimeField()),
            ],
            options={
                'db_table': 'usage_fold_mark',
                'constraints': [models.CheckConstraint(condition=models.Q(('id', 1)), name='usage_fold_mark_is_one_row')],
            },
        ),
        migrations.CreateModel(
            name='AccountDay',
            fields=[
                ('events', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('provider_cost_nanos', models.BigIntegerField(db_default=0)),
                ('costed_nanos', models.BigIntegerField(db_default=0)),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('api_key_id', models.BigIntegerField()),
                ('status', models.CharField(max_length=8)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
            ],
            options={
                'db_table': 'usage_account_day',
                'permissions': (('view_analytics', 'Can view usage and revenue of all accounts'),),
                'indexes': [models.Index(fields=['day'], name='usage_account_day_by_day')],
                'constraints': [models.UniqueConstraint(fields=('account', 'day', 'model', 'api_key_id', 'status'), name='usage_account_day_once')],
            },
        ),
        migrations.CreateModel(
            name='PlatformDay',
            fields=[
                ('events', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('provider_cost_nanos', models.BigIntegerField(db_default=0)),
                ('costed_nanos', models.BigIntegerField(db_default=0)),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('status', models.CharField(max_length=8)),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
            ],
            options={
                'db_table': 'usage_platform_day',
                'constraints': [models.UniqueConstraint(fields=('day', 'model', 'status'), name='usage_platform_day_once')],
            },
        ),
        migrations.CreateModel(
            name='PlatformHour',
            fields=[
                ('events', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('provider_cost_nanos', models.BigIntegerField(db_default=0)),
                ('costed_nanos', models.BigIntegerField(db_default=0)),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('starts_at', models.DateTimeField()),
                ('status', models.CharField(max_length=8)),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
            ],
            options={
                'db_table': 'usage_platform_hour',
                'constraints': [models.UniqueConstraint(fields=('starts_at', 'model', 'status'), name='usage_platform_hour_once')],
            },
        ),
    ]
