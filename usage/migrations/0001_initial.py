"""The tables."""

import core.clock
import django.db.models.deletion
import django.db.models.expressions
from django.db import migrations, models


class Migration(migrations.Migration):

    initial = True

    dependencies = [
        ('accounts', '0001_initial'),
    ]

    operations = [
        migrations.CreateModel(
            name='AiModel',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('code', models.CharField(help_text='The name in usage events, such as gpt-4o.', max_length=128, unique=True)),
                ('name', models.CharField(max_length=200)),
                ('provider', models.CharField(blank=True, max_length=64)),
                ('is_listed', models.BooleanField(default=True, help_text='Shown in /v1/models.')),
                ('created_at', models.DateTimeField(default=core.clock.now, editable=False)),
            ],
            options={
                'verbose_name': 'model',
            },
        ),
        migrations.CreateModel(
            name='UsageLifetime',
            fields=[
                ('events', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('account', models.OneToOneField(db_constraint=False, on_delete=django.db.models.deletion.DO_NOTHING, primary_key=True, related_name='+', serialize=False, to='accounts.account')),
            ],
            options={
                'db_table': 'usage_lifetime',
            },
        ),
        migrations.CreateModel(
            name='PriceVersion',
            fields=[
                ('id', models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name='ID')),
                ('effective_at', models.DateTimeField()),
                ('activated_at', models.DateTimeField(blank=True, null=True)),
                ('input_nanos_per_million', models.BigIntegerField()),
                ('output_nanos_per_million', models.BigIntegerField()),
                ('cache_read_nanos_per_million', models.BigIntegerField(default=0)),
                ('cache_write_nanos_per_million', models.BigIntegerField(default=0)),
                ('reasoning_nanos_per_million', models.BigIntegerField(default=0)),
                ('request_nanos', models.BigIntegerField(default=0)),
                ('image_nanos', models.BigIntegerField(default=0)),
                ('second_nanos', models.BigIntegerField(default=0)),
                ('multiplier_bp', models.IntegerField(default=10000)),
                ('created_at', models.DateTimeField(default=core.clock.now, editable=False)),
                ('model', models.ForeignKey(on_delete=django.db.models.deletion.PROTECT, related_name='prices', to='usage.aimodel')),
            ],
            options={
                'permissions': (('activate_priceversion', 'Can activate a price version'),),
            },
        ),
        migrations.CreateModel(
            name='UsageDay',
            fields=[
                ('events', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('day', models.DateField()),
                ('api_key_id', models.BigIntegerField()),
                ('endpoint', models.CharField(blank=True, max_length=64)),
                ('status', models.CharField(max_length=8)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
            ],
            options={
                'db_table': 'usage_day',
            },
        ),
        migrations.CreateModel(
            name='UsageEvent',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('event_id', models.CharField(db_collation='C', max_length=128)),
                ('fingerprint', models.UUIDField()),
                ('status', models.CharField(choices=[('success', 'Success'), ('failed', 'Failed')], max_length=8)),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('requests', models.BigIntegerField()),
                ('images', models.BigIntegerField()),
                ('seconds', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('charged_nanos', models.BigIntegerField()),
                ('absorbed_nanos', models.BigIntegerField(default=0)),
                ('endpoint', models.CharField(blank=True, max_length=64)),
                ('metadata', models.JSONField(null=True)),
                ('local_date', models.DateField()),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('api_key', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.apikey')),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
                ('price_version', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.priceversion')),
            ],
            options={
                'db_table': 'usage_event',
            },
        ),
        migrations.CreateModel(
            name='UsageQuarter',
            fields=[
                ('events', models.BigIntegerField()),
                ('input_tokens', models.BigIntegerField()),
                ('output_tokens', models.BigIntegerField()),
                ('cache_read_tokens', models.BigIntegerField()),
                ('cache_write_tokens', models.BigIntegerField()),
                ('reasoning_tokens', models.BigIntegerField()),
                ('cost_nanos', models.BigIntegerField()),
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('starts_at', models.DateTimeField()),
                ('api_key_id', models.BigIntegerField()),
                ('endpoint', models.CharField(blank=True, max_length=64)),
                ('status', models.CharField(max_length=8)),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('model', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='usage.aimodel')),
            ],
            options={
                'db_table': 'usage_quarter',
            },
        ),
        migrations.AddConstraint(
            model_name='priceversion',
            constraint=models.UniqueConstraint(condition=models.Q(('activated_at__isnull', False)), fields=('model', 'effective_at'), name='price_version_one_in_force'),
        ),
        migrations.AddConstraint(
            model_name='priceversion',
            constraint=models.CheckConstraint(condition=models.Q(('cache_read_nanos_per_million__gte', 0), ('cache_read_nanos_per_million__lte', 1000000000000000), ('cache_write_nanos_per_million__gte', 0), ('cache_write_nanos_per_million__lte', 1000000000000000), ('image_nanos__gte', 0), ('image_nanos__lte', 1000000000000000), ('input_nanos_per_million__gte', 0), ('input_nanos_per_million__lte', 1000000000000000), ('output_nanos_per_million__gte', 0), ('output_nanos_per_million__lte', 1000000000000000), ('reasoning_nanos_per_million__gte', 0), ('reasoning_nanos_per_million__lte', 1000000000000000), ('request_nanos__gte', 0), ('request_nanos__lte', 1000000000000000), ('second_nanos__gte', 0), ('second_nanos__lte', 1000000000000000)), name='price_version_prices_in_range'),
        ),
        migrations.AddConstraint(
            model_name='priceversion',
            constraint=models.CheckConstraint(condition=models.Q(('multiplier_bp__gte', 0), ('multiplier_bp__lte', 1000000)), name='price_version_multiplier_in_range'),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.UniqueConstraint(fields=('account', 'day', 'model', 'api_key_id', 'endpoint', 'status'), name='usage_day_once'),
        ),
        migrations.AddConstraint(
            model_name='usageday',
            constraint=models.CheckConstraint(condition=models.Q(('cost_nanos__gte', 0), ('events__gte', 0)), name='usage_day_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.CheckConstraint(condition=models.Q(('status__in', ['success', 'failed'])), name='event_status_known'),
        ),
        migrations.AddConstraint(
            model_name='usageevent',
            constraint=models.CheckConstraint(condition=models.Q(('absorbed_nanos__gte', 0), ('charged_nanos__gte', 0), ('cost_nanos', django.db.models.expressions.CombinedExpression(models.F('charged_nanos'), '+', models.F('absorbed_nanos')))), name='event_cost_is_charged_and_absorbed'),
        ),
        migrations.AddConstraint(
            model_name='usagequarter',
            constraint=models.UniqueConstraint(fields=('account', 'starts_at', 'model', 'api_key_id', 'endpoint', 'status'), name='usage_quarter_once'),
        ),
        migrations.AddConstraint(
            model_name='usagequarter',
            constraint=models.CheckConstraint(condition=models.Q(('cost_nanos__gte', 0), ('events__gte', 0)), name='usage_quarter_not_negative'),
        ),
    ]
