"""What a call costs: one pure function over integers, called once per event. SQL never prices."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from core.rounding import half_even
from usage.errors import CostOutOfRange

MAX_EVENT_COST_NANOS: Final = 10**15
"""$1M. More than that is a mistake, and is refused."""

TOKENS_PER_PRICE: Final = 10**6
BASIS_POINTS: Final = 10**4
PRICE_OF_QUANTITY: Final = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_tokens": "cache_read",
    "cache_write_tokens": "cache_write",
    "reasoning_tokens": "reasoning",
    "requests": "request",
    "images": "image",
    "seconds": "second",
}
"""Each quantity of an event and the name of its price. `rate()` spells it out again: it runs once per event."""

PER_MILLION: Final = tuple(price for quantity, price in PRICE_OF_QUANTITY.items() if quantity.endswith("_tokens"))
"""Prices of so many tokens."""
PER_UNIT: Final = tuple(price for price in PRICE_OF_QUANTITY.values() if price not in PER_MILLION)
_DIVISOR: Final = TOKENS_PER_PRICE * BASIS_POINTS**2


@dataclass(frozen=True, slots=True)
class Prices:
    """One price version. Tokens in nanos per million, units in nanos each; `multiplier_bp` 10,000 is 1."""

    input: int
    output: int
    cache_read: int
    cache_write: int
    reasoning: int
    request: int
    image: int
    second: int
    multiplier_bp: int


class FailedPolicy(StrEnum):
    """
    What of a failed call is charged: nothing; the tokens that went in (input, cache read and write); whatever was reported but the
    price per request; or the same as for a call that succeeded.
    """

    NEVER = "never"
    INPUT_ONLY = "input_only"
    REPORTED = "reported"
    ALWAYS = "always"


class Used(Protocol):
    """
    What was used: a reported event, or a stored one. The five token classes are disjoint: cached tokens are not also input,
    reasoning not also output.
    """

    @property
    def input_tokens(self) -> int: ...
    @property
    def output_tokens(self) -> int: ...
    @property
    def cache_read_tokens(self) -> int: ...
    @property
    def cache_write_tokens(self) -> int: ...
    @property
    def reasoning_tokens(self) -> int: ...
    @property
    def requests(self) -> int: ...
    @property
    def images(self) -> int: ...
    @property
    def seconds(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Quantities:
    """Quantities that no event holds yet: an estimate's."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_read_tokens: int = 0
    cache_write_tokens: int = 0
    reasoning_tokens: int = 0
    requests: int = 1
    images: int = 0
    seconds: int = 0


NOTHING: Final = Quantities(requests=0)


def chargeable(used: Used, *, failed: bool, policy: FailedPolicy) -> Used:
    """What of a call is charged: all of it where it succeeded, otherwise what its model's policy says."""
    if not failed or policy is FailedPolicy.ALWAYS:
        return used
    if policy is FailedPolicy.NEVER:
        return NOTHING
    is_whole = policy is FailedPolicy.REPORTED
    return Quantities(
        input_tokens=used.input_tokens,
        output_tokens=used.output_tokens if is_whole else 0,
        cache_read_tokens=used.cache_read_tokens,
        cache_write_tokens=used.cache_write_tokens,
        reasoning_tokens=used.reasoning_tokens if is_whole else 0,
        requests=0,
        images=used.images if is_whole else 0,
        seconds=used.seconds if is_whole else 0,
    )


def rate(prices: Prices, used: Used, *, multiplier_bp: int = BASIS_POINTS) -> int:
    """
    The cost in nanos, rounded once: `half_even((Σ tokens·price + 10⁶·Σ units·price) · m₁·m₂ / 10¹⁴)`.

    m₁ is the version's own multiplier, m₂ = `multiplier_bp` that of the customer or its tier, both in basis points.

    Raises CostOutOfRange above `MAX_EVENT_COST_NANOS`.
    """
    tokens = (
        used.input_tokens * prices.input
        + used.output_tokens * prices.output
        + used.cache_read_tokens * prices.cache_read
        + used.cache_write_tokens * prices.cache_write
        + used.reasoning_tokens * prices.reasoning
    )
    units = used.requests * prices.request + used.images * prices.image + used.seconds * prices.second
    cost = half_even((tokens + TOKENS_PER_PRICE * units) * prices.multiplier_bp * multiplier_bp, _DIVISOR)
    if cost > MAX_EVENT_COST_NANOS:
        raise CostOutOfRange("This event would cost more than $1,000,000; check its quantities.")
    return cost


def rate_call(prices: Prices, used: Used, *, failed: bool, policy: FailedPolicy, multiplier_bp: int = BASIS_POINTS) -> int:
    """What one call is charged, failed or not, in nanos. Raises CostOutOfRange."""
    charged = chargeable(used, failed=True, policy=policy) if failed else used
    return rate(prices, charged, multiplier_bp=multiplier_bp)
