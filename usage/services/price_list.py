"""
Reads a public price list in the layout of LiteLLM's `model_prices_and_context_window.json`: names of models, each with its prices.

Pure: nothing is written or asked. Prices are read from their decimal text as integers, never as floats. What cannot be read exactly is
refused with its reason, and what we have no unit for is named, so that nothing becomes free or cheaper without being said.
"""

import json
import re
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

from core.days import parse_day
from usage.errors import InvalidPriceList
from usage.models.price_book import PRICE_MAX_NANOS
from usage.rating import BASIS_POINTS, PER_UNIT, Prices

LIST_MAX_BYTES: Final = 5 * 2**20
SAMPLE: Final = "sample_spec"
"""The list's own explanation of its fields."""

_MODEL_CODE: Final = re.compile(r"[\x21-\x7e]{1,128}", re.ASCII)
_NUMBER: Final = re.compile(r"(-?)(\d{1,24})(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,2}))?", re.ASCII)
_NAMES_A_PRICE: Final = re.compile(r"cost|pric")
PROVIDER_MAX: Final = 64

TOKEN_PLACES: Final = 15
"""Dollars per token to nanos per million tokens: nine places and six."""
UNIT_PLACES: Final = 9
FIELDS: Final = {
    "input": ("input_cost_per_token",),
    "output": ("output_cost_per_token",),
    "cache_read": ("cache_read_input_token_cost",),
    "cache_write": ("cache_creation_input_token_cost",),
    "reasoning": ("output_cost_per_reasoning_token",),
    "request": ("input_cost_per_request",),
    "image": ("output_cost_per_image", "input_cost_per_image"),
    "second": ("output_cost_per_second", "input_cost_per_second"),
}
"""Our prices and the fields that say them. Where two fields say one, they agree or one of them is 0; else the model is refused."""

PRICED_AS: Final = {"cache_read": "input", "cache_write": "input", "reasoning": "output"}
"""A class that the list leaves out is priced as what it is a part of there: our classes are disjoint, and none may become free."""

_TAKEN: Final = frozenset(field for fields in FIELDS.values() for field in fields)


@dataclass(frozen=True, slots=True)
class Listed:
    """One model as the list prices it. `unused`: the price fields that we have no unit for. `retired_on`: from when on it is gone."""

    code: str
    provider: str
    prices: Prices
    unused: tuple[str, ...]
    retired_on: date | None


@dataclass(frozen=True, slots=True)
class Unusable:
    """A model that cannot be taken from the list, and why."""

    code: str
    why: str


class _Unfit(Exception):
    """Why one model cannot be used."""


def read_price_list(raw: bytes) -> list[Listed | Unusable]:
    """Every model of the list, in its order. Raises InvalidPriceList where the file as a whole is none."""
    return [_read_model(code, said) for code, said in _decode(raw).items() if code != SAMPLE]


def _decode(raw: bytes) -> dict[str, Any]:
    if len(raw) > LIST_MAX_BYTES:
        raise _not_a_list(f"The file is larger than {LIST_MAX_BYTES // 2**20} MiB.")
    try:
        found = json.loads(raw.decode("utf-8-sig"), parse_float=str, parse_int=str, parse_constant=str, object_pairs_hook=_no_twins)
    except UnicodeDecodeError as error:
        raise _not_a_list("The file is not text in UTF-8.") from error
    except RecursionError as error:
        raise _not_a_list("The file is nested too deeply.") from error
    except ValueError as error:
        raise _not_a_list(f"The file is not JSON: {error}.") from error
    if not isinstance(found, dict) or not found.keys() - {SAMPLE}:
        raise _not_a_list("The file is not a price list: it must be a JSON object of models by their names.")
    return found


def _not_a_list(message: str) -> InvalidPriceList:
    return InvalidPriceList(message[:300], field="file")


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        twin = next(name for name in names if names.count(name) > 1)
        message = f"{twin[:128]!r} stands twice in one object"
        raise ValueError(message)
    return found


def _read_model(code: str, said: object) -> Listed | Unusable:
    try:
        return _listed(code, said)
    except _Unfit as unfit:
        return Unusable(code[:128], str(unfit))


def _listed(code: str, said: object) -> Listed:
    if _MODEL_CODE.fullmatch(code) is None:
        raise _Unfit("its name is not one that usage could report: 1 to 128 printable ASCII characters without spaces")
    if not isinstance(said, dict):
        raise _Unfit("its entry is not an object")
    found = {name: _price(said, name) for name in FIELDS}
    unused = tuple(sorted(name for name, value in said.items() if name not in _TAKEN and _is_a_price(name, value)))
    if not any(found.values()):
        raise _Unfit(f"it has no price that we can charge by, only {', '.join(unused)}" if unused else "the list has no price for it, or 0")
    prices = {name: found[PRICED_AS[name]] if value is None and name in PRICED_AS else value for name, value in found.items()}
    return Listed(
        code=code,
        provider=_text(said.get("litellm_provider"))[:PROVIDER_MAX],
        prices=Prices(**{name: value or 0 for name, value in prices.items()}, multiplier_bp=BASIS_POINTS),
        unused=unused,
        retired_on=parse_day(said.get("deprecation_date")),
    )


def _price(said: dict[str, Any], name: str) -> int | None:
    """One of our prices in nanos, or None where the list leaves it out."""
    places = UNIT_PLACES if name in PER_UNIT else TOKEN_PLACES
    values = [nanos(field, said[field], places) for field in FIELDS[name] if said.get(field) is not None]
    distinct = set(values) - {0}
    if len(distinct) > 1:
        raise _Unfit(f"it has two prices for one {name}: {' and '.join(FIELDS[name])}")
    return next(iter(distinct or values), None)


def nanos(field: str, value: object, places: int) -> int:
    """A number's decimal text, times ten to the `places`, as an integer. Raises _Unfit where it is no price, or not exact."""
    match = _NUMBER.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise _Unfit(f"{field} is not a number: {str(value)[:40]}")
    sign, whole, fraction, exponent = match[1], match[2], match[3] or "", int(match[4] or 0)
    digits, shift = int(whole + fraction), places + exponent - len(fraction)
    if digits and sign:
        raise _Unfit(f"{field} is negative: {match[0]}")
    up, down = int(10 ** max(shift, 0)), int(10 ** max(-shift, 0))
    found, rest = divmod(digits * up, down)
    if rest:
        raise _Unfit(f"{field} is finer than a nano-dollar{' per million tokens' if places == TOKEN_PLACES else ''}: {match[0]}")
    if found > PRICE_MAX_NANOS:
        raise _Unfit(f"{field} is above any price: {match[0]}")
    return found


def _is_a_price(name: str, value: object) -> bool:
    """Whether a field says a price other than nothing: a number that is not 0, or a table of them."""
    if _NAMES_A_PRICE.search(name) is None:
        return False
    return (
        bool(value)
        if isinstance(value, dict | list)
        else isinstance(value, str) and re.search("[1-9]", value.lower().split("e")[0]) is not None
    )


def _text(value: object) -> str:
    return value if isinstance(value, str) and value.isprintable() else ""
