"""Reads single values out of a logged line, and says what is wrong with them: nothing is guessed, nothing is clamped."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import ROUND_HALF_EVEN, Decimal
from typing import Any, Final

Line = Mapping[str, Any]

PUBLIC_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
PRINTABLE: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
QUANTITY_MAX: Final = 2**31
_NUMBER: Final = re.compile(rb"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")
_NANO: Final = Decimal("1e-9")
_COST_END: Final = 10**10
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECONDS_FROM: Final = 10**11
"""Unix times from here on are milliseconds: as seconds they would be in the year 5138."""


class Skipped(Exception):
    """A line is not sent. `code` is counted; the message says why."""

    def __init__(self, code: str, message: str, event_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.event_id = event_id


def at(line: Line, path: str) -> Any:  # noqa: ANN401 - JSON is whatever was logged
    """The value at a dotted path (`metadata.team.id`), or None."""
    value: Any = line
    for name in path.split("."):
        if not isinstance(value, Mapping):
            return None
        value = value.get(name)
    return value


def first_at(line: Line, *paths: str) -> Any:  # noqa: ANN401
    """The first value that is there."""
    return next((value for path in paths if (value := at(line, path)) is not None), None)


def first_object(line: Line, *paths: str) -> Line:
    """The first object that is there; else an empty one."""
    return next((value for path in paths if isinstance(value := at(line, path), Mapping)), {})


def count(line: Line, *paths: str) -> int:
    """A number of tokens; 0 where none of the paths is there. Raises Skipped `bad_count`."""
    value = first_at(line, *paths)
    if value is None:
        return 0
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= QUANTITY_MAX:
        raise Skipped("bad_count", f"{paths[0]} must be an integer from 0 to {QUANTITY_MAX}, and is {value!r:.60}.")
    return value


def instant(value: object) -> str | None:
    """
    A time as ISO 8601 in UTC: of Unix seconds, of milliseconds, or of ISO text, which is UTC where it names no zone.

    Raises Skipped `bad_time`.
    """
    if value is None:
        return None
    try:
        return _datetime(value).isoformat().replace("+00:00", "Z")
    except (ValueError, TypeError, OverflowError) as error:
        raise Skipped("bad_time", f"The time must be Unix seconds or ISO 8601, and is {value!r:.60}.") from error


def _datetime(value: object) -> datetime:
    if isinstance(value, str):
        read = datetime.fromisoformat(value.strip())
        return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError
    if value >= _MILLISECONDS_FROM:
        return _EPOCH + timedelta(milliseconds=value)
    return _EPOCH + timedelta(seconds=value)


def dollars(said: bytes) -> str:
    """
    Another meter's price, as the line spells it, in dollars with nine decimals: to the nearest nano, half to even, never by a float.

    Raises Skipped `bad_cost`, also where a price above 0 would become 0: a call is not given away for want of decimals.
    """
    cost = _exact(said)
    if cost is None or not 0 <= cost < _COST_END:
        raise Skipped("bad_cost", f"The cost must be a number of dollars, and is {said!r:.60}.")
    nearest = cost.quantize(_NANO, ROUND_HALF_EVEN)
    if cost and not nearest:
        raise Skipped("bad_cost", f"The cost is less than half of a nano-dollar, and would be 0: {said!r:.60}.")
    return f"{abs(nearest):f}"


def _exact(said: bytes) -> Decimal | None:
    try:
        return Decimal(said.decode()) if _NUMBER.fullmatch(said) else None
    except ArithmeticError:  # An exponent beyond all numbers.
        return None
