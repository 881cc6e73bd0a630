"""
What an endpoint takes, said once per parameter. Each function here makes a check: it gets a decoded value and its name,
and returns the value as the endpoint uses it, or raises Stripe's error.
"""

import re
from collections.abc import Callable, Iterable, Mapping

from sandbox.forms import in_order
from sandbox.stripe.errors import StripeError, not_supported

Check = Callable[[object, str], object]
Fields = Mapping[str, Check]

_INTEGER = re.compile(r"[+-]?[0-9]{1,15}")
_CURRENCY = re.compile(r"[A-Za-z]{3}")
_URL = re.compile(r"https?://[!-~]+")
METADATA_KEYS = 50
METADATA_KEY = 40
METADATA_VALUE = 500


def text(max_length: int = 5000, *, choices: Iterable[str] = ()) -> Check:
    """A string that is not empty; with `choices`, one of them."""
    allowed = tuple(choices)

    def check(value: object, name: str) -> object:
        if not isinstance(value, str):
            raise StripeError("Invalid string", param=name)
        if value == "":
            message = (
                f"You passed an empty string for '{name}'. We assume empty values are an attempt to unset a parameter; it cannot be unset."
            )
            raise StripeError(message, code="parameter_invalid_empty", param=name)
        if len(value) > max_length:
            raise StripeError(f"Invalid string: must be at most {max_length} characters", param=name)
        if allowed and value not in allowed:
            raise StripeError(f"Invalid {name}: must be one of {', '.join(allowed)}", param=name)
        return value

    return check


def integer(low: int | None = None, high: int | None = None) -> Check:
    """A whole number, within bounds."""

    def check(value: object, name: str) -> object:
        if not isinstance(value, str) or not _INTEGER.fullmatch(value):
            raise StripeError("Invalid integer", code="parameter_invalid_integer", param=name)
        number = int(value)
        if (low is not None and number < low) or (high is not None and number > high):
            raise StripeError(f"This value must be between {low} and {high}.", code="parameter_invalid_integer", param=name)
        return number

    return check


def flag(value: object, name: str) -> object:
    """`true` or `false`."""
    if value not in {"true", "false"}:
        raise StripeError("Invalid boolean", param=name)
    return value == "true"


def currency(value: object, name: str) -> object:
    """Three letters; stored small."""
    if not isinstance(value, str) or not _CURRENCY.fullmatch(value):
        raise StripeError("Invalid currency", code="parameter_invalid_string", param=name)
    return value.lower()


def url(value: object, name: str) -> object:
    """An absolute http or https address, of printable ASCII: it goes into a header."""
    if not isinstance(value, str) or not _URL.fullmatch(value):
        raise StripeError("Not a valid URL", code="url_invalid", param=name)
    return value


def email(value: object, name: str) -> object:
    """Something before and after an at-sign."""
    if not isinstance(value, str) or not re.fullmatch(r"[^@\s]+@[^@\s]+", value):
        raise StripeError("Invalid email address", code="email_invalid", param=name)
    return value


def array(of: Check, most: int = 100) -> Check:
    """A list, each of whose members passes a check."""

    def check(value: object, name: str) -> object:
        members = in_order(value)
        if members is None:
            raise StripeError("Invalid array", param=name)
        if len(members) > most:
            raise StripeError(f"Invalid array: at most {most} members", param=name)
        return [of(member, f"{name}[{index}]") for index, member in enumerate(members)]

    return check


def record(fields: Fields, required: Iterable[str] = (), unsupported: Iterable[str] = ()) -> Check:
    """Named parameters inside another. `unsupported`: what Stripe knows and the sandbox refuses by name."""
    needed, refused = tuple(required), frozenset(unsupported)

    def check(value: object, name: str) -> object:
        if not isinstance(value, dict):
            raise StripeError("Invalid object", param=name)
        return checked(value, fields, required=needed, unsupported=refused, inside=name)

    return check


def metadata(value: object, name: str) -> object:
    """Names to strings; an empty string unsets a name, or as a whole unsets all of them."""
    if value == "":
        return {"": ""}
    if not isinstance(value, dict) or not all(isinstance(each, str) for each in value.values()):
        raise StripeError("Invalid metadata: must be names with strings", param=name)
    if len(value) > METADATA_KEYS:
        raise StripeError(f"Metadata can have up to {METADATA_KEYS} keys", param=name)
    for key, held in value.items():
        if len(key) > METADATA_KEY or len(held) > METADATA_VALUE:
            raise StripeError(f"Metadata: names up to {METADATA_KEY}, values up to {METADATA_VALUE} characters", param=f"{name}[{key}]")
    return value


def clearable(check: Check) -> Check:
    """An empty string unsets it: None."""
    return lambda value, name: None if value == "" else check(value, name)


def anything(value: object, _name: str) -> object:
    """Taken and not looked at: it changes nothing that the sandbox shows."""
    return value


def switched_off(value: object, name: str) -> object:
    """A feature that may only be turned off here."""
    if not isinstance(value, dict) or value.get("enabled") != "false":
        raise not_supported(f"{name}[enabled]")
    return {"enabled": False}


def checked(
    given: Mapping[str, object],
    fields: Fields,
    *,
    required: Iterable[str] = (),
    unsupported: Iterable[str] = (),
    inside: str = "",
) -> dict[str, object]:
    """The parameters as an endpoint uses them. Raises for the first that is unknown, unsupported, missing or wrong."""
    for key in given:
        name = f"{inside}[{key}]" if inside else key
        if key in unsupported:
            raise not_supported(name)
        if key not in fields:
            raise StripeError(f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    for key in required:
        if key not in given:
            name = f"{inside}[{key}]" if inside else key
            raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    return {key: fields[key](value, f"{inside}[{key}]" if inside else key) for key, value in given.items()}


EXPAND: dict[str, Check] = {"expand": array(text(), most=20)}

CREATED = record({"gt": integer(), "gte": integer(), "lt": integer(), "lte": integer()})


def created(value: object, name: str) -> object:
    """A second, or bounds around it."""
    return CREATED({"gte": value, "lte": value} if isinstance(value, str) else value, name)


PAGING: dict[str, Check] = EXPAND | {
    "limit": integer(1, 100),
    "starting_after": text(),
    "ending_before": text(),
    "created": created,
}

ADDRESS = record({name: clearable(text()) for name in ("city", "country", "line1", "line2", "postal_code", "state")})
