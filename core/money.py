"""
Money is integer nano-USD (10^-9 $) everywhere; this module only names the other units and prints them.

No arithmetic on money happens in float or Decimal: a number is divided once, at the very edge, to be shown.
Source: docs/adr/0001-money-is-integer-nanos.md.
"""

import re
from fractions import Fraction
from typing import Final

from django.conf import settings

from core.errors import InvalidInput

NANOS_PER_USD: Final = 1_000_000_000
NANOS_PER_CENT: Final = 10_000_000
AMOUNT_MAX_NANOS: Final = 2**62
"""No balance, grant or running sum goes beyond this, so that sums of two always fit a BIGINT."""
_FINEST: Final = 10**14
"""A price per million times two multipliers in basis points has no more than 14 decimals of a nano."""

_USD_TEXT = re.compile(r"(?P<sign>-?)(?P<whole>\d{1,10})(?:\.(?P<fraction>\d{1,9}))?", re.ASCII)


def credit_nanos() -> int:
    """How many nanos one credit is worth (setting `CREDIT_NANOS`, 1,000,000: a tenth of a cent)."""
    value: int = settings.CREDIT_NANOS
    return value


def exact_text(nanos: int, unit_nanos: int, places_min: int) -> str:
    """`nanos` in units of `unit_nanos` (a power of ten) as an exact decimal, at least `places_min` places, no exponent."""
    places = len(str(unit_nanos)) - 1
    whole, rest = divmod(abs(nanos), unit_nanos)
    fraction = str(rest).zfill(places)[:places].rstrip("0") if places else ""
    fraction = fraction.ljust(places_min, "0")
    sign = "-" if nanos < 0 else ""
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"


def exact_nanos_text(nanos: Fraction) -> str:
    """Nanos that are not rounded yet, as an exact decimal without needless places."""
    return exact_text(int(nanos * _FINEST), _FINEST, 0)


def usd_text(nanos: int) -> str:
    """Dollars, exact: 2 to 9 decimals (`20000000000` is `"20.00"`)."""
    return exact_text(nanos, NANOS_PER_USD, 2)


def usd_signed(nanos: int) -> str:
    """Dollars for people, exact, grouped by thousands, with the sign before the unit: `-$1,234.50`."""
    return f"{'-' if nanos < 0 else ''}${grouped(usd_text(abs(nanos)))}"


def grouped(text: str) -> str:
    """A decimal with its thousands apart."""
    whole, dot, fraction = text.partition(".")
    return f"{int(whole):,}{dot}{fraction}" if whole not in {"-0", ""} else text


def credits_text(nanos: int) -> str:
    """Credits, exact, without needless decimals (`20000000000` is `"20000"`)."""
    return exact_text(nanos, credit_nanos(), 0)


def usd_number(nanos: int) -> float:
    """Dollars as the float that a published API asks for; the exact string always stands beside it."""
    return nanos / NANOS_PER_USD


def credits_number(nanos: int) -> int | float:
    """Credits as a JSON number: an integer when whole."""
    return _number(nanos, credit_nanos())


def cents_number(nanos: int) -> int | float:
    """Cents as a JSON number: an integer when whole."""
    return _number(nanos, NANOS_PER_CENT)


def parse_usd(text: str, *, field: str) -> int:
    """
    Read exact dollars (`"-12.5"`, at most 9 decimals) as nanos.

    Raises InvalidInput, naming the field, for anything else: exponents, NaN, spaces, more decimals.
    """
    match = _USD_TEXT.fullmatch(text)
    if match is None:
        raise InvalidInput("Give an amount in dollars such as 12.50, with at most 9 decimals.", code="invalid_amount", field=field)
    nanos = int(match["whole"]) * NANOS_PER_USD + int((match["fraction"] or "").ljust(9, "0"))
    if nanos > AMOUNT_MAX_NANOS:
        raise InvalidInput("That amount is too large.", code="invalid_amount", field=field)
    return -nanos if match["sign"] else nanos


def _number(nanos: int, unit_nanos: int) -> int | float:
    whole, rest = divmod(nanos, unit_nanos)
    return whole if rest == 0 else nanos / unit_nanos
