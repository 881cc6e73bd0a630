"""Models and what they cost, dated."""

from typing import Final

from django.db import models
from django.db.models import Q

from core import clock
from usage.rating import Prices

PRICE_MAX_NANOS = 10**15
"""A bound on every price ($1M), so that a slipped digit is refused and not charged."""

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


class PriceVersion(models.Model):
    """
    What a model costs from `effective_at` until the next active version of it. Integer nanos: per million tokens of each
    class, and per unit.

    Written by operators as a draft; once activated it is never rewritten (a trigger refuses it). A model's first price may take
    effect at any instant, a later one at least 60 seconds after its activation, when every web process has read it. Events
    store the version they were rated by. The five token classes are disjoint. The multiplier is in basis points (10,000 is 1).
    """

    model = models.ForeignKey(AiModel, on_delete=models.PROTECT, related_name="prices")
    effective_at = models.DateTimeField()
    activated_at = models.DateTimeField(null=True, blank=True)
    input_nanos_per_million = models.BigIntegerField()
    output_nanos_per_million = models.BigIntegerField()
    cache_read_nanos_per_million = models.BigIntegerField(default=0)
    cache_write_nanos_per_million = models.BigIntegerField(default=0)
    reasoning_nanos_per_million = models.BigIntegerField(default=0)
    request_nanos = models.BigIntegerField(default=0)
    image_nanos = models.BigIntegerField(default=0)
    second_nanos = models.BigIntegerField(default=0)
    multiplier_bp = models.IntegerField(default=10_000)
    created_at = models.DateTimeField(default=clock.now, editable=False)

    class Meta:
        permissions = (("activate_priceversion", "Can activate a price version"),)
        constraints = (
            models.UniqueConstraint(
                fields=["model", "effective_at"],
                condition=Q(activated_at__isnull=False),
                name="price_version_one_in_force",
            ),
            models.CheckConstraint(
                condition=Q(
                    **{f"{field}__gte": 0 for field in PRICE_COLUMNS},
                    **{f"{field}__lte": PRICE_MAX_NANOS for field in PRICE_COLUMNS},
                ),
                name="price_version_prices_in_range",
            ),
            models.CheckConstraint(
                condition=Q(multiplier_bp__gte=0, multiplier_bp__lte=1_000_000),
                name="price_version_multiplier_in_range",
            ),
        )

    def __str__(self) -> str:
        return f"{self.model.code} from {self.effective_at:%Y-%m-%d %H:%M}Z"

    @property
    def rates(self) -> Prices:
        """The row as the pure value that rating takes."""
        return Prices(
            **{name: getattr(self, column) for name, column in COLUMN_OF_PRICE.items()},
            multiplier_bp=self.multiplier_bp,
        )
