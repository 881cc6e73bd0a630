"""Models and what they cost, dated."""

from datetime import datetime
from typing import Final, Protocol

from django.db import models
from django.db.models import F, Q

from core import clock
from usage.rating import BASIS_POINTS, FailedPolicy, Prices

PRICE_MAX_NANOS = 10**15
"""A bound on every price ($1M), so that a slipped digit is refused and not charged."""

MULTIPLIER_MAX_BP: Final = 1_000_000
"""A hundredfold."""

COLUMN_OF_PRICE: Final = {
    "input": "input_nanos_per_million",
    "output": "output_nanos_per_million",
    "cache_read": "cache_read_nanos_per_million",
    "cache_write": "cache_write_nanos_per_million",
    "reasoning": "reasoning_nanos_per_million",
    "request": "request_nanos",
    "image": "image_nanos",
    "second": "second_nanos",
}
"""Each price of `usage.rating.Prices` and the column it is kept in."""

PRICE_COLUMNS: Final = tuple(COLUMN_OF_PRICE.values())


class AiModel(models.Model):
    """One model that usage may name. Written by operators. A model without a price in force is refused loudly, never free."""

    code = models.CharField(max_length=128, unique=True, help_text="The name in usage events, such as gpt-4o.")
    name = models.CharField(max_length=200)
    provider = models.CharField(max_length=64, blank=True)
    is_listed = models.BooleanField(default=True, help_text="Shown in /v1/models.")
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        verbose_name = "model"

    def __str__(self) -> str:
        return self.code


class PriceColumns(models.Model):
    """Eight prices in integer nanos: per million tokens of each of the five disjoint classes, and per unit."""

    input_nanos_per_million = models.BigIntegerField()
    output_nanos_per_million = models.BigIntegerField()
    cache_read_nanos_per_million = models.BigIntegerField(default=0)
    cache_write_nanos_per_million = models.BigIntegerField(default=0)
    reasoning_nanos_per_million = models.BigIntegerField(default=0)
    request_nanos = models.BigIntegerField(default=0)
    image_nanos = models.BigIntegerField(default=0)
    second_nanos = models.BigIntegerField(default=0)

    class Meta:
        abstract = True

    def prices(self, multiplier_bp: int = BASIS_POINTS) -> Prices:
        """The columns as the pure value that rating takes."""
        return Prices(**{name: getattr(self, column) for name, column in COLUMN_OF_PRICE.items()}, multiplier_bp=multiplier_bp)


_PRICES_IN_RANGE: Final = Q(
    **{f"{field}__gte": 0 for field in PRICE_COLUMNS}, **{f"{field}__lte": PRICE_MAX_NANOS for field in PRICE_COLUMNS}
)
_MULTIPLIER_IN_RANGE: Final = Q(multiplier_bp__gte=0, multiplier_bp__lte=MULTIPLIER_MAX_BP)
_POLICIES: Final = [policy.value for policy in FailedPolicy]
_ENDS_AFTER_IT_BEGINS: Final = Q(ends_at=None) | Q(ends_at__gt=F("effective_at"))


class Dated(Protocol):
    """Terms with a period: from `effective_at` on, and before `ends_at`, if that is known."""

    @property
    def effective_at(self) -> datetime: ...
    @property
    def ends_at(self) -> datetime | None: ...


def covers(terms: Dated, at: datetime) -> bool:
    """Whether active terms are in force at an instant."""
    return terms.effective_at <= at and (terms.ends_at is None or at < terms.ends_at)


def in_force(at: datetime) -> Q:
    """The same of rows: prices or multipliers that are active, and in force at an instant."""
    return Q(activated_at__isnull=False, effective_at__lte=at) & (Q(ends_at=None) | Q(ends_at__gt=at))


class PriceVersion(PriceColumns):
    """
    What a model costs from `effective_at` until `ends_at`, which is when the next active version of it takes effect.

    Written by operators as a draft; once activated it is never rewritten, but for `ends_at`, which may come nearer (a trigger refuses
    all else). No two active versions of a model are in force at once (an exclusion constraint). A model's first price may take effect
    at any instant, a later one at least 60 seconds after its activation, when every web process has read it. Events store the version
    they were rated by. The multiplier is in basis points (10,000 is 1). `failed_policy` says what of a failed call is charged.
    """

    model = models.ForeignKey(AiModel, on_delete=models.PROTECT, related_name="prices")
    effective_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True)
    failed_policy = models.CharField(
        max_length=10,
        choices=[(policy, policy.replace("_", " ").capitalize()) for policy in _POLICIES],
        default=FailedPolicy.REPORTED.value,
        help_text="What of a failed call is charged.",
    )
    multiplier_bp = models.IntegerField(default=10_000)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        permissions = (("activate_priceversion", "Can activate a price version"), ("import_prices", "Can import a price list"))
        constraints = (
            models.CheckConstraint(condition=_PRICES_IN_RANGE, name="price_version_prices_in_range"),
            models.CheckConstraint(condition=_MULTIPLIER_IN_RANGE, name="price_version_multiplier_in_range"),
            models.CheckConstraint(condition=_ENDS_AFTER_IT_BEGINS, name="price_version_ends_after_it_begins"),
            models.CheckConstraint(
                condition=Q(failed_policy__in=[policy.value for policy in FailedPolicy]), name="price_version_failed_policy_known"
            ),
        )

    def __str__(self) -> str:
        return f"{self.model.code} from {self.effective_at:%Y-%m-%d %H:%M}Z"

    @property
    def rates(self) -> Prices:
        """The row as the pure value that rating takes."""
        return self.prices(self.multiplier_bp)


class ProviderCost(PriceColumns):
    """
    What the operator's provider charges for what a price version sells, where that is known: for the margin, never for a charge.

    Written with the draft, and as fixed as its version once that is active (a trigger refuses every change).
    """

    version = models.OneToOneField(PriceVersion, on_delete=models.CASCADE, primary_key=True, related_name="provider_cost")

    class Meta:
        constraints = (models.CheckConstraint(condition=_PRICES_IN_RANGE, name="provider_cost_prices_in_range"),)

    def __str__(self) -> str:
        return f"provider cost of version {self.version_id}"


class PriceMultiplier(models.Model):
    """
    What one account, or every account of a tier, pays of the prices, in basis points (9,000 is a tenth off): for one model or for all.

    The most specific one in force applies, alone: an account's before a tier's, a model's before that of all models. It multiplies what
    the price version says, within the one rounding. Written as a draft and activated as prices are; events store the one they were
    rated by. No two active ones of the same scope are in force at once (an exclusion constraint).
    """

    tier = models.CharField(max_length=32, blank=True, help_text="Accounts of this price tier.")
    account = models.ForeignKey(
        "accounts.Account", on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="One account."
    )
    model = models.ForeignKey(AiModel, on_delete=models.PROTECT, null=True, blank=True, related_name="+", help_text="Empty: every model.")
    multiplier_bp = models.IntegerField()
    effective_at = models.DateTimeField()
    ends_at = models.DateTimeField(null=True, blank=True)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        permissions = (("activate_pricemultiplier", "Can activate a price multiplier"),)
        constraints = (
            models.CheckConstraint(
                condition=Q(tier="", account__isnull=False) | (~Q(tier="") & Q(account=None)), name="price_multiplier_is_of_one_scope"
            ),
            models.CheckConstraint(condition=_MULTIPLIER_IN_RANGE, name="price_multiplier_in_range"),
            models.CheckConstraint(condition=_ENDS_AFTER_IT_BEGINS, name="price_multiplier_ends_after_it_begins"),
        )

    def __str__(self) -> str:
        whose = f"tier {self.tier}" if self.tier else f"account {self.account_id}"
        return f"{whose}: {self.multiplier_bp} bp from {self.effective_at:%Y-%m-%d %H:%M}Z"
