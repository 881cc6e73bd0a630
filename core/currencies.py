"""
Card money: whole minor units of a currency, with the exponent from this one table.

Source of the exponents: ISO 4217, and Stripe's list of zero-decimal currencies. A currency that is not here is not dealt in.
"""

import re
from typing import Final

from core.errors import InvalidInput

EXPONENT_OF: Final[dict[str, int]] = {
    **dict.fromkeys(("BIF", "CLP", "DJF", "GNF", "JPY", "KMF", "KRW", "MGA", "PYG", "RWF", "VND", "VUV", "XAF", "XOF", "XPF"), 0),
    **dict.fromkeys(
        (
            *("AED", "AUD", "BGN", "BRL", "CAD", "CHF", "CNY", "COP", "CZK", "DKK", "EUR", "GBP", "HKD", "HUF", "IDR", "ILS", "INR"),
            *("MXN", "MYR", "NOK", "NZD", "PEN", "PHP", "PLN", "RON", "SAR", "SEK", "SGD", "THB", "TRY", "TWD", "USD", "ZAR"),
        ),
        2,
    ),
}

_CODE: Final = re.compile(r"[A-Za-z]{3}", re.ASCII)


def read_currency(text: str, *, field: str) -> str:
    """A currency's code in capitals. Raises InvalidInput `unknown_currency`, naming the field."""
    code = text.upper()
    if _CODE.fullmatch(text) is None or code not in EXPONENT_OF:
        raise InvalidInput("Give the three letters of a currency, such as USD.", code="unknown_currency", field=field)
    return code


def minor_text(minor: int, currency: str) -> str:
    """Minor units as an exact decimal of the currency: 1999 USD is `"19.99"`, 1999 JPY is `"1999"`."""
    exponent = EXPONENT_OF[currency]
    whole, rest = divmod(abs(minor), 10**exponent)
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole}.{rest:0{exponent}}" if exponent else f"{sign}{whole}"


def major_number(minor: int, currency: str) -> float:
    """Minor units as the float that a published API asks for; the exact string always stands beside it."""
    return minor / float(10 ** EXPONENT_OF[currency])
