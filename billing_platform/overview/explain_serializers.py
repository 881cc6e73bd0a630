"""The shape of an explanation: the event and its price, the one rounding, who bears the charge, and whether it all agrees."""

from fractions import Fraction
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from billing_platform.overview.explain import Explanation
from core.api.money_fields import InstantField, NanosTextField, UsdTextField
from core.money import exact_nanos_text
from credits.services.explaining import Booking, Gift, Share
from usage.services.explaining import Part, Rating


@extend_schema_field({"type": "string", "pattern": r"^-?\d+(\.\d{1,14})?$", "example": "1250.5"})
class ExactNanosField(serializers.Field[Fraction, Fraction, str, Fraction]):
    """Nanos with their decimals, exact: nothing is rounded yet."""

    def __init__(self, **options: Any) -> None:
        """A field of answers only."""
        super().__init__(read_only=True, **options)

    def to_representation(self, value: Fraction) -> str:
        return exact_nanos_text(value)


class ExplainedSourceSerializer(serializers.Serializer[Any]):
    """What booked an entry, or gave a grant."""

    type = serializers.CharField(source="source_type", help_text="`usage_event`, `grant`, `order`, `operator`, …")
    id = serializers.SerializerMethodField(help_text="Which one of that type; empty where that is the platform's own matter.")

    def get_id(self, row: Any) -> str:  # noqa: ANN401  A grant or an entry.
        return "" if row.source_type == "operator" else str(row.source_id)


class ExplainedEntrySerializer(serializers.Serializer[Any]):
    """The entry itself."""

    id = serializers.IntegerField(source="pk")
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    book = serializers.CharField(help_text="The other side.")
    source = ExplainedSourceSerializer(source="*")  # type: ignore[assignment]  # a declared field, not the attribute of the base
    amount_nanos = NanosTextField(help_text="Negative where it took.")
    amount_usd = UsdTextField(source="amount_nanos")
    balance_after_nanos = NanosTextField()
    occurred_at = InstantField()
    created_at = InstantField()


class OtherEntrySerializer(serializers.Serializer[Any]):
    """Another entry of the account, beside the one that is explained."""

    id = serializers.IntegerField(source="pk")
    seq = serializers.IntegerField()
    kind = serializers.CharField()
    amount_nanos = NanosTextField()
    created_at = InstantField()


class ExplainedEventSerializer(serializers.Serializer[Any]):
    """What was reported, and what became of its cost."""

    event_id = serializers.CharField()
    model = serializers.CharField(source="model.code")
    api_key = serializers.CharField(source="api_key.public_id", read_only=True, default=None, allow_null=True)
    status = serializers.CharField(source="counted_status", help_text="What reports count it as: `success`, `failed` or `refunded`.")
    call_status = serializers.CharField(source="status", help_text="How the call ended: `success` or `failed`.")
    endpoint = serializers.CharField(allow_blank=True)
    flag = serializers.CharField(allow_null=True, help_text="`late` or `after_void`: why it did not capture the hold it named.")
    occurred_at = InstantField()
    created_at = InstantField()
    cost_nanos = NanosTextField(help_text="cost = charged + absorbed")
    charged_nanos = NanosTextField()
    absorbed_nanos = NanosTextField(help_text="What the operator bears.")


class VersionSerializer(serializers.Serializer[Rating]):
    """The price version that the event names, and when it is in force."""

    id = serializers.IntegerField(source="version.pk")
    model = serializers.CharField(source="version.model.code")
    effective_at = InstantField(source="version.effective_at")
    ends_at = InstantField(source="version.ends_at", allow_null=True)
    multiplier_bp = serializers.IntegerField(source="version.multiplier_bp", help_text="10,000 is 1.")
    failed_policy = serializers.CharField(source="version.failed_policy", help_text="What of a failed call is charged.")


class CustomerMultiplierSerializer(serializers.Serializer[Any]):
    """What this customer, or its tier, pays of the prices."""

    id = serializers.IntegerField(source="pk")
    multiplier_bp = serializers.IntegerField(help_text="10,000 is all of them.")
    effective_at = InstantField()
    ends_at = InstantField(allow_null=True)


class PartSerializer(serializers.Serializer[Part]):
    """charged × price / per = amount"""

    name = serializers.CharField()
    reported = serializers.IntegerField()
    charged = serializers.IntegerField(help_text="Less than reported where the call failed, by the version's policy.")
    price_nanos = NanosTextField()
    per = serializers.IntegerField(help_text="So many tokens cost `price_nanos`; 1 of units.")
    amount_nanos = ExactNanosField(source="exact_nanos")


class RatingSerializer(serializers.Serializer[Rating]):
    """How the price book makes the cost: the sum of the parts, times both multipliers, rounded once."""

    version = VersionSerializer(source="*")
    multiplier = CustomerMultiplierSerializer(allow_null=True, help_text="null: the prices as they stand.")
    is_failed = serializers.BooleanField(help_text="Whether the version's policy for failed calls applies.")
    parts = PartSerializer(many=True)
    sum_nanos = ExactNanosField(help_text="The parts' amounts.")
    unrounded_nanos = ExactNanosField(help_text="The sum times both multipliers.")
    rounding = serializers.CharField(default="half_even", read_only=True)
    cost_nanos = NanosTextField(allow_null=True, help_text="Rounded. null: out of range.")
    was_in_force = serializers.BooleanField(help_text="Whether version and multiplier were, when the event occurred.")


class ExplainedHoldSerializer(serializers.Serializer[Any]):
    """The hold that the event captured."""

    id = serializers.CharField(source="public_id")
    amount_nanos = NanosTextField(help_text="What it kept aside.")
    opened_at = InstantField()
    captured_at = InstantField(source="closed_at")


class ExplainedGrantSerializer(serializers.Serializer[Any]):
    """A grant by what tells it from others."""

    id = serializers.IntegerField(source="pk")
    kind = serializers.CharField()
    category = serializers.CharField(help_text="`paid` or `promo`.")
    source = ExplainedSourceSerializer(source="*")  # type: ignore[assignment]  # a declared field, not the attribute of the base


class ShareSerializer(serializers.Serializer[Share]):
    """A part of what was taken, and who bears it."""

    how = serializers.ChoiceField(choices=("paid", "settled", "debt"), help_text="`settled`: by a grant that came after it was debt.")
    grant = ExplainedGrantSerializer(allow_null=True, help_text="null: debt.")
    nanos = NanosTextField(source="bearing.nanos")
    returned_nanos = NanosTextField(source="bearing.returned_nanos", help_text="What of it was given back.")
    written_off_nanos = NanosTextField(source="bearing.written_off_nanos", help_text="What of the debt the operator bears.")
    left_nanos = NanosTextField(source="bearing.left_nanos", help_text="What can still be given back; of debt: what is owed.")


class GiftSerializer(serializers.Serializer[Gift]):
    """What the entry gave, and into what."""

    grant = ExplainedGrantSerializer(allow_null=True, help_text="null: it lowered debt.")
    nanos = NanosTextField()


class BookingSerializer(serializers.Serializer[Booking]):
    """Who bears what was taken, who got what was given."""

    taken_from = ShareSerializer(source="shares", many=True)
    given_to = GiftSerializer(source="gifts", many=True)
    undoes = OtherEntrySerializer(allow_null=True)
    returned_nanos = NanosTextField(help_text="What of the entry was given back so far.")
    given_back_by = OtherEntrySerializer(many=True, help_text="The entries that did; the newest 100, newest first.")
    hold = ExplainedHoldSerializer(allow_null=True)


class ExplanationSerializer(serializers.Serializer[Explanation]):
    """Why an entry was booked, and whether everything agrees that it had to be."""

    entry = ExplainedEntrySerializer()
    priced_by = serializers.ChoiceField(choices=("price_book", "sender"), allow_null=True, help_text="null: it is no usage.")
    event = ExplainedEventSerializer(allow_null=True)
    rating = RatingSerializer(allow_null=True, help_text="null where the sender named the cost, and of all but usage.")
    booking = BookingSerializer()
    recomputed_nanos = NanosTextField(
        allow_null=True,
        help_text="What the entry must have moved: of usage what was absorbed less the cost rated anew; else what grants and debt say.",
    )
    booked_nanos = NanosTextField(source="entry.amount_nanos")
    matches = serializers.BooleanField(help_text="Whether rating, event, bearers and entry agree to the nano.")
