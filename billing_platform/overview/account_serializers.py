"""The account API's UsageStats and AccountSummary: dollars, and an exact string beside each float."""

from rest_framework import serializers

from billing_platform.overview.serializers import AskerField, CreditBalanceSerializer
from billing_platform.overview.usage import AccountSummary, UsageStats
from core.api.money_fields import InstantField, UsdNumberField, UsdTextField
from usage.selectors import Period


class UsageStatsSerializer(serializers.Serializer[UsageStats]):
    """What was used from `period_start` on and before `period_end`, which are quarter-hours. Costs are net of refunds."""

    user_id = AskerField()
    period = serializers.ChoiceField(choices=tuple(Period))
    total_requests = serializers.IntegerField(source="calls.total")
    successful_requests = serializers.IntegerField(source="calls.successful", help_text="Those that were refunded since too.")
    failed_requests = serializers.IntegerField(source="calls.failed")
    credits_consumed = UsdNumberField(source="calls.cost_nanos", help_text="Dollars.")
    credits_consumed_str = UsdTextField(source="calls.cost_nanos")
    requests_by_endpoint = serializers.DictField(
        child=serializers.IntegerField(),
        source="calls.by_endpoint",
        help_text="The 100 busiest; `not given` where a call named none, `all others` for the rest.",
    )
    period_start = InstantField(source="calls.coverage.since")
    period_end = InstantField(source="calls.coverage.until", help_text="Exclusive.")


class SubscriptionSerializer(serializers.Serializer[object]):
    """The plan that an account subscribes to."""

    id = serializers.CharField()
    plan_id = serializers.CharField()
    plan_name = serializers.CharField()
    status = serializers.CharField()
    interval = serializers.CharField()
    current_period_start = serializers.DateTimeField()
    current_period_end = serializers.DateTimeField()
    cancel_at_period_end = serializers.BooleanField()


class AccountSummarySerializer(serializers.Serializer[AccountSummary]):
    """An account at a glance."""

    user_id = AskerField()
    email = serializers.CharField(source="person.email", help_text="Of who asks; for a key, of the account's owner.")
    credit_balance = CreditBalanceSerializer()
    subscription = SubscriptionSerializer(allow_null=True)
    usage_this_month = UsageStatsSerializer()
    total_requests_all_time = serializers.IntegerField()
    account_created_at = InstantField(source="account.created_at")
    last_login_at = InstantField(source="person.last_login", allow_null=True)
