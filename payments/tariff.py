"""The operator's tariff, read from the settings once."""

import re
from functools import cache
from typing import Final

from django.conf import settings

from core.currencies import read_currency
from core.errors import BillingError
from core.money import NANOS_PER_CENT, parse_usd
from payments.errors import BadTariff
from payments.pricing import MICRO, Tariff

_RATE: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?", re.ASCII)
FEE_BP_MAX: Final = 5_000
LEAST_RATE: Final = 10
"""Minor units for a dollar. No currency of the table comes near: less is a price in major units, a slip that gives credits away."""


def tariff() -> Tariff:
    """What this deployment sells credits for. Raises BadTariff."""
    return read_tariff(
        currencies=tuple(sorted(settings.PURCHASE_CURRENCIES.items())),
        min_usd=settings.PURCHASE_MIN_USD,
        max_usd=settings.PURCHASE_MAX_USD,
        fee_bp=settings.PLATFORM_FEE_BP,
    )


@cache
def read_tariff(*, currencies: tuple[tuple[str, str], ...], min_usd: str, max_usd: str, fee_bp: int) -> Tariff:
    """
    A tariff of the settings' texts. `currencies`: codes, and minor units for $1.00 of credit (at most 6 decimals). Raises BadTariff.
    """
    try:
        rates = {read_currency(code, field="PURCHASE_CURRENCIES"): _rate(code, text) for code, text in currencies}
        least, most = parse_usd(min_usd, field="PURCHASE_MIN_USD"), parse_usd(max_usd, field="PURCHASE_MAX_USD")
    except BillingError as error:
        raise BadTariff(error.message) from error
    if rates.get("USD", 100 * MICRO) != 100 * MICRO:
        raise BadTariff("PURCHASE_CURRENCIES: the ledger is in dollars, so USD is always 100.")
    if not NANOS_PER_CENT <= least <= most:
        raise BadTariff("PURCHASE_MIN_USD must be a cent at least, and not above PURCHASE_MAX_USD.")
    if not 0 <= fee_bp <= FEE_BP_MAX:
        raise BadTariff(f"PLATFORM_FEE_BP is in basis points, from 0 to {FEE_BP_MAX}.")
    return Tariff(rates, least, most, fee_bp)


def _rate(code: str, text: str) -> int:
    match = _RATE.fullmatch(text)
    micro = int(match[1]) * MICRO + int((match[2] or "").ljust(6, "0")) if match else 0
    if micro < LEAST_RATE * MICRO:
        raise BadTariff(f"PURCHASE_CURRENCIES: give minor units for $1.00 of credit, such as {code}=92.5.")
    return micro
