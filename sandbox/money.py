"""Amounts: integers in a currency's minor unit, and how a person reads them."""

WITHOUT_CENTS = frozenset(["bif", "clp", "djf", "gnf", "jpy", "kmf", "krw", "mga", "pyg", "rwf", "ugx", "vnd", "vuv", "xaf", "xof", "xpf"])
WITH_MILLS = frozenset(["bhd", "jod", "kwd", "omr", "tnd"])
SIGNS = {"usd": "$", "eur": "€", "gbp": "£", "jpy": "¥"}

SMALLEST = {"usd": 50, "eur": 50, "gbp": 30, "jpy": 50, "cad": 50, "aud": 50, "chf": 50}
"""The smallest charge per currency, in minor units; elsewhere 50."""

LARGEST = 99_999_999


def exponent(currency: str) -> int:
    """How many digits the minor unit has."""
    if currency in WITHOUT_CENTS:
        return 0
    return 3 if currency in WITH_MILLS else 2


def shown(minor: int, currency: str) -> str:
    """`$12.50`, `¥500`, or `12.50 CHF`."""
    digits = exponent(currency)
    whole, part = divmod(abs(minor), 10**digits)
    number = f"{'−' if minor < 0 else ''}{whole:,}" + (f".{part:0{digits}d}" if digits else "")
    sign = SIGNS.get(currency)
    return f"{sign}{number}" if sign else f"{number} {currency.upper()}"


def smallest(currency: str) -> int:
    """The least that may be charged, in minor units."""
    return SMALLEST.get(currency, 50)


def fee(minor: int) -> int:
    """What Stripe keeps of a charge: 2.9 % and 30, rounded half up."""
    return (minor * 29 + 500) // 1000 + 30
