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
            name='Grant',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('kind', models.CharField(choices=[('purchase', 'Purchase'), ('topup', 'Topup'), ('plan_grant', 'Plan Grant'), ('rollover', 'Rollover'), ('coupon_bonus', 'Coupon Bonus'), ('checkin', 'Checkin'), ('promo', 'Promo'), ('compensation', 'Compensation'), ('usage', 'Usage'), ('usage_refund', 'Usage Refund'), ('reversal', 'Reversal'), ('expiry', 'Expiry'), ('grant_void', 'Grant Void'), ('refund', 'Refund'), ('dispute_lost', 'Dispute Lost'), ('dispute_won', 'Dispute Won'), ('manual', 'Manual'), ('write_off', 'Write Off'), ('opening', 'Opening'), ('split', 'Split')], max_length=16)),
                ('book', models.CharField(choices=[('clearing:stripe', 'Clearing Stripe'), ('clearing:creem', 'Clearing Creem'), ('usage', 'Usage'), ('promo', 'Promo'), ('breakage', 'Breakage'), ('adjustment', 'Adjustment'), ('receivable', 'Receivable')], max_length=16)),
                ('source_type', models.CharField(max_length=32)),
                ('source_id', models.CharField(max_length=128)),
                ('source_key', models.CharField(max_length=200)),
                ('category', models.CharField(choices=[('paid', 'Paid'), ('promo', 'Promo')], max_length=5)),
                ('cost_basis_minor', models.BigIntegerField(default=0, help_text='What was paid for it, in minor units of the currency.')),
                ('cost_basis_currency', models.CharField(default='USD', max_length=3)),
                ('priority', models.SmallIntegerField(default=0, help_text='Lower burns first.')),
                ('effective_at', models.DateTimeField()),
                ('expires_at', models.DateTimeField(blank=True, null=True)),
                ('amount_nanos', models.BigIntegerField()),
                ('remaining_nanos', models.BigIntegerField()),
                ('is_frozen', models.BooleanField(default=False)),
                ('booked_at', models.DateTimeField(blank=True, null=True)),
                ('voided_at', models.DateTimeField(blank=True, null=True)),
                ('expired_at', models.DateTimeField(blank=True, null=True)),
                ('actor_id', models.BigIntegerField(blank=True, null=True)),
                ('created_at', models.DateTimeField()),
                ('is_empty', models.GeneratedField(db_persist=True, expression=models.Q(('remaining_nanos', 0)), output_field=models.BooleanField())),
                ('account', models.ForeignKey(db_index=False, on_delete=django.db.models.deletion.PROTECT, related_name='grants', to='accounts.account')),
                ('compensates', models.ForeignKey(blank=True, null=True, on_delete=django.db.models.deletion.PROTECT, related_name='compensations', to='credits.grant')),
                ('root', models.ForeignKey(blank=True, help_text='The grant it was split from.', null=True, on_delete=django.db.models.deletion.PROTECT, related_name='+', to='credits.grant')),
            ],
            options={
                'db_table': 'credit_grant',
            },
        ),
        migrations.CreateModel(
            name='Allocation',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('from_nanos', models.BigIntegerField()),
                ('to_nanos', models.BigIntegerField()),
                ('role', models.CharField(choices=[('pay', 'Pay'), ('settle', 'Settle'), ('return', 'Return')], max_length=6)),
                ('reverses', models.BigIntegerField(help_text='`id` of the row a return gives back from.', null=True)),
                ('entry_seq', models.BigIntegerField(help_text='`seq` of the first entry it was booked with.', null=True)),
                ('created_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='accounts.account')),
                ('grant', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='credits.grant')),
                ('into_grant', models.ForeignKey(db_constraint=False, db_index=False, null=True, on_delete=django.db.models.deletion.DO_NOTHING, related_name='+', to='credits.grant')),
            ],
            options={
                'db_table': 'allocation',
            },
        ),
        migrations.CreateModel(
            name='LedgerEntry',
            fields=[
                ('id', models.BigAutoField(primary_key=True, serialize=False)),
                ('seq', models.BigIntegerField()),
                ('kind', models.CharField(choices=[('purchase', 'Purchase'), ('topup', 'Topup'), ('plan_grant', 'Plan Grant'), ('rollover', 'Rollover'), ('coupon_bonus', 'Coupon Bonus'), ('checkin', 'Checkin'), ('promo', 'Promo'), ('compensation', 'Compensation'), ('usage', 'Usage'), ('usage_refund', 'Usage Refund'), ('reversal', 'Reversal'), ('expiry', 'Expiry'), ('grant_void', 'Grant Void'), ('refund', 'Refund'), ('dispute_lost', 'Dispute Lost'), ('dispute_won', 'Dispute Won'), ('manual', 'Manual'), ('write_off', 'Write Off'), ('opening', 'Opening'), ('split', 'Split')], max_length=16)),
                ('book', models.CharField(choices=[('clearing:stripe', 'Clearing Stripe'), ('clearing:creem', 'Clearing Creem'), ('usage', 'Usage'), ('promo', 'Promo'), ('breakage', 'Breakage'), ('adjustment', 'Adjustment'), ('receivable', 'Receivable')], max_length=16)),
                ('amount_nanos', models.BigIntegerField()),
                ('balance_after_nanos', models.BigIntegerField()),
                ('spent_after_nanos', models.BigIntegerField()),
                ('source_type', models.CharField(max_length=32)),
                ('source_id', models.CharField(max_length=128)),
                ('source_key', models.CharField(max_length=200, null=True)),
                ('reverses', models.BigIntegerField(help_text='`seq` of the entry this one undoes.', null=True)),
                ('description', models.CharField(blank=True, max_length=200)),
                ('reference', models.CharField(blank=True, max_length=200)),
                ('metadata', models.JSONField(null=True)),
                ('actor_id', models.BigIntegerField(help_text="The operator's user id, where a person acted.", null=True)),
                ('occurred_at', models.DateTimeField()),
                ('created_at', models.DateTimeField()),
                ('account', models.ForeignKey(db_constraint=False, db_index=False, on_delete=django.db.models.deletion.DO_NOTHING, related_name='entries', to='accounts.account')),
            ],
            options={
                'verbose_name_plural': 'ledger entries',
                'db_table': 'ledger_entry',
            },
        ),
        migrations.CreateModel(
            name='Wallet',
            fields=[
                ('account', models.OneToOneField(on_delete=django.db.models.deletion.PROTECT, primary_key=True, related_name='wallet', serialize=False, to='accounts.account')),
                ('balance_nanos', models.BigIntegerField(default=0)),
                ('reserved_nanos', models.BigIntegerField(default=0, help_text='Sum of open holds.')),
                ('frozen_nanos', models.BigIntegerField(default=0, help_text='What remains of frozen grants.')),
                ('lapsing_nanos', models.BigIntegerField(default=0, help_text='What remains of grants past their end, not yet booked as expired.')),
                ('debt_nanos', models.BigIntegerField(default=0, help_text='Usage that no grant has paid for yet.')),
                ('spent_nanos', models.BigIntegerField(default=0, help_text='Sum of all negative entries; never falls.')),
                ('next_seq', models.BigIntegerField(default=1)),
                ('next_change_at', models.DateTimeField(blank=True, null=True)),
                ('clock_at', models.DateTimeField(default=core.clock.now)),
                ('watch_below_nanos', models.BigIntegerField(blank=True, null=True)),
                ('policy', models.CharField(choices=[('debt', 'Debt'), ('absorb', 'Absorb')], default='debt', max_length=6)),
            ],
            options={
                'db_table': 'wallet',
                'permissions': (('adjust_balance', 'Can adjust a balance'),),
                'indexes': [models.Index(condition=models.Q(('debt_nanos__gt', 0)), fields=['-debt_nanos'], name='wallet_in_debt'), models.Index(condition=models.Q(('next_change_at__isnull', False)), fields=['next_change_at'], name='wallet_by_next_change')],
                'constraints': [models.CheckConstraint(condition=models.Q(('balance_nanos__gte', -4611686018427387904), ('balance_nanos__lte', 4611686018427387904)), name='wallet_balance_in_range'), models.CheckConstraint(condition=models.Q(('spent_nanos__gte', 0), ('spent_nanos__lte', 4611686018427387904)), name='wallet_spent_in_range'), models.CheckConstraint(condition=models.Q(('debt_nanos__gte', 0), ('frozen_nanos__gte', 0), ('lapsing_nanos__gte', 0), ('reserved_nanos__gte', 0)), name='wallet_sums_not_negative'), models.CheckConstraint(condition=models.Q(('balance_nanos__gte', django.db.models.expressions.CombinedExpression(models.F('debt_nanos'), '*', models.Value(-1)))), name='wallet_negative_only_by_its_debt'), models.CheckConstraint(condition=models.Q(('next_seq__gte', 1)), name='wallet_next_seq_positive'), models.CheckConstraint(condition=models.Q(('policy__in', ['debt', 'absorb'])), name='wallet_policy_known')],
            },
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(condition=models.Q(('is_empty', False)), fields=['account'], name='grant_with_credits_left'),
        ),
        migrations.AddIndex(
            model_name='grant',
            index=models.Index(fields=['account', '-id'], name='grant_by_account'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.UniqueConstraint(fields=('account', 'source_key'), name='grant_once_per_source_key'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nanos__gt', 0)), name='grant_gives_something'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('remaining_nanos__gte', 0), ('remaining_nanos__lte', models.F('amount_nanos'))), name='grant_remaining_within_amount'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('expires_at', None), ('expires_at__gt', models.F('effective_at')), _connector='OR'), name='grant_ends_after_it_begins'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('category__in', ['paid', 'promo'])), name='grant_category_known'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('cost_basis_minor__gte', 0)), name='grant_cost_basis_not_negative'),
        ),
        migrations.AddConstraint(
            model_name='grant',
            constraint=models.CheckConstraint(condition=models.Q(('booked_at', None), models.Q(('expired_at', None), ('voided_at', None)), ('remaining_nanos', 0), _connector='OR'), name='grant_ended_has_nothing_left'),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(('from_nanos__gte', 0), ('to_nanos__gt', models.F('from_nanos'))), name='allocation_is_an_interval'),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(('role__in', ['pay', 'settle', 'return'])), name='allocation_role_known'),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('reverses__isnull', False), ('role', 'return')), models.Q(models.Q(('role', 'return'), _negated=True), ('into_grant', None), ('reverses', None)), _connector='OR'), name='allocation_only_returns_reverse'),
        ),
        migrations.AddConstraint(
            model_name='allocation',
            constraint=models.CheckConstraint(condition=models.Q(('role', 'settle'), ('entry_seq__isnull', False), _connector='OR'), name='allocation_names_its_entry'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('amount_nanos', 0), _negated=True), name='entry_moves_something'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(('seq__gte', 1), ('spent_after_nanos__gte', 0)), name='entry_counts_from_one'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ('purchase', 'topup', 'plan_grant', 'rollover', 'coupon_bonus', 'checkin', 'promo', 'compensation', 'usage_refund', 'dispute_won', 'write_off', 'opening')), ('amount_nanos__gt', 0)), models.Q(('kind__in', ('usage', 'expiry', 'grant_void', 'refund', 'dispute_lost')), ('amount_nanos__lt', 0)), ('kind__in', ('reversal', 'manual', 'split')), _connector='OR'), name='entry_sign_fits_its_kind'),
        ),
        migrations.AddConstraint(
            model_name='ledgerentry',
            constraint=models.CheckConstraint(condition=models.Q(models.Q(('kind__in', ('usage_refund', 'reversal', 'dispute_won')), ('reverses__isnull', False)), models.Q(models.Q(('kind__in', ('usage_refund', 'reversal', 'dispute_won')), _negated=True), ('reverses', None)), _connector='OR'), name='entry_undo_names_what_it_undoes'),
        ),
    ]
