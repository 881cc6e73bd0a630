"""
What a purchase of credits costs: pure, in whole numbers. What is credited is fixed in nano-dollars, whatever it is paid in.

`Tariff` comes from the settings PURCHASE_CURRENCIES, PURCHASE_MIN_USD, PURCHASE_MAX_USD and PLATFORM_FEE_BP.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from core.money import NANOS_PER_USD, usd_text
from core.rounding import half_even
from payments.errors import CurrencyNotOffered, PurchaseOutOfRange

MICRO: Final = 10**6
BASIS_POINTS: Final = 10**4
CREDITS_SKU: Final = "credits"
FEE_SKU: Final = "platform_fee"


@dataclass(frozen=True, slots=True)
class Tariff:
    """
    What the operator sells credits for. `micro_minor_per_usd`: the price of $1.00 of credit by currency, in millionths of a minor unit
    (USD: 100,000,000). Bounds in nanos; `fee_bp`: a fee on top, in basis points of the price.
    """

    micro_minor_per_usd: Mapping[str, int]
    min_nanos: int
    max_nanos: int
    fee_bp: int


@dataclass(frozen=True, slots=True)
class QuotedLine:
    """A line of an order to be. `amount_minor` in the quote's currency, `credit_nanos` what it delivers."""

    kind: str
    sku: str
    description: str
    amount_minor: int
    credit_nanos: int


@dataclass(frozen=True, slots=True)
class Quote:
    """What a purchase costs."""

    currency: str
    lines: tuple[QuotedLine, ...]

    @property
    def amount_minor(self) -> int:
        """The sum of the lines."""
        return sum(line.amount_minor for line in self.lines)


def quote_credits(tariff: Tariff, *, credit_nanos: int, currency: str, amount_field: str = "credit_usd") -> Quote:
    """
    Price so many nanos of credit in a currency, rounded half to even to its minor unit, the fee in a line of its own.

    `amount_field`: what the caller calls the amount, for a refusal to name. Raises CurrencyNotOffered, PurchaseOutOfRange (below or
    above the bounds, or in USD no whole cents).
    """
    rate = tariff.micro_minor_per_usd.get(currency)
    if rate is None:
        offered = ", ".join(sorted(tariff.micro_minor_per_usd))
        raise CurrencyNotOffered(f"Credits are not sold in {currency}; choose one of {offered}.", field="currency")
    if not tariff.min_nanos <= credit_nanos <= tariff.max_nanos:
        bounds = f"${usd_text(tariff.min_nanos)} to ${usd_text(tariff.max_nanos)}"
        raise PurchaseOutOfRange(f"Buy credits for {bounds} at a time.", field=amount_field)
    amount, rest = divmod(credit_nanos * rate, NANOS_PER_USD * MICRO)
    if rest:
        if currency == "USD":
            raise PurchaseOutOfRange("Buy credits for whole cents.", field=amount_field)
        amount = half_even(credit_nanos * rate, NANOS_PER_USD * MICRO)
    if amount == 0:
        raise PurchaseOutOfRange(f"That is worth nothing in {currency}; buy more.", field=amount_field)
    lines = [QuotedLine("credits", CREDITS_SKU, f"Credits worth ${usd_text(credit_nanos)}", amount, credit_nanos)]
    fee = half_even(amount * tariff.fee_bp, BASIS_POINTS)
    if fee:
        lines.append(QuotedLine("platform_fee", FEE_SKU, "Platform fee", fee, 0))
    return Quote(currency, tuple(lines))
