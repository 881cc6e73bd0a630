"""Pages: limit and offset with hard caps, and opaque signed cursors for keysets."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from django.core import signing

from core.errors import InvalidInput

OFFSET_MAX: Final = 10_000
"""How far an offset may reach where it cannot be turned into arithmetic (filtered lists, lists over all accounts)."""


@dataclass(frozen=True)
class Page:
    """Which rows are asked for."""

    limit: int
    offset: int


def read_page(query: Mapping[str, str], *, default: int, maximum: int = 100, offset_maximum: int | None = None) -> Page:
    """`limit` and `offset` of a query. Raises InvalidInput when one is no whole number, or beyond its cap: never a silent clamp."""
    return Page(limit=read_limit(query, default=default, maximum=maximum), offset=read_offset(query, maximum=offset_maximum))


def read_limit(query: Mapping[str, str], *, default: int, maximum: int = 100) -> int:
    """`limit`, from 1 to `maximum`. Raises InvalidInput."""
    limit = _whole(query.get("limit") or str(default), field="limit")
    if not 1 <= limit <= maximum:
        raise InvalidInput(f"Give a limit from 1 to {maximum}.", code="out_of_range", field="limit")
    return limit


def read_offset(query: Mapping[str, str], *, maximum: int | None = None) -> int:
    """`offset`, from 0 to `maximum`. Raises InvalidInput."""
    offset = _whole(query.get("offset") or "0", field="offset")
    if maximum is not None and offset > maximum:
        raise InvalidInput(f"An offset ends at {maximum} here; use filters.", code="out_of_range", field="offset")
    return offset


def read_number(query: Mapping[str, str], name: str) -> int:
    """A whole number that a list goes on after; 0 where it is left out. Raises InvalidInput."""
    return _whole(query.get(name) or "0", field=name)


def encode_cursor(position: tuple[int | str, ...], *, account_id: int, endpoint: str) -> str:
    """A position in one account's list as opaque text. Put whatever filters the list into `endpoint`: the cursor is bound to both."""
    return _signer(account_id, endpoint).sign_object(list(position), compress=False)


def decode_cursor(text: str, *, account_id: int, endpoint: str) -> tuple[int | str, ...]:
    """The position of a cursor that this account got from this endpoint. Raises InvalidInput `invalid_cursor` for any other."""
    try:
        position = _signer(account_id, endpoint).unsign_object(text)
    except (signing.BadSignature, ValueError, UnicodeError) as error:
        raise InvalidInput("That cursor is not one of this list; start without one.", code="invalid_cursor", field="cursor") from error
    return tuple(position)


def _signer(account_id: int, endpoint: str) -> signing.Signer:
    return signing.Signer(salt=f"core.cursor:{endpoint}:{account_id}")


def _whole(text: str, *, field: str) -> int:
    # Longer numbers would pass `int` and then break PostgreSQL's bigint.
    if not (text.isascii() and text.isdigit() and len(text) <= len("9223372036854775807") - 1):
        raise InvalidInput("Give a whole number that is not negative.", code="invalid_number", field=field)
    return int(text)
