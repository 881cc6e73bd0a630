"""
PostgreSQL's binary COPY format: rows packed in Python, for the few tables that are written a thousand rows at a time.

It costs half of what text does on both sides, and no character needs an escape. Source: PostgreSQL's documentation of COPY, "Binary
Format", and the types' send functions. A row is the number of its fields, then each field's length and bytes.
"""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from struct import Struct
from typing import Final

from django.db import connection
from django.db.backends.utils import CursorWrapper

NULL: Final = b"\xff\xff\xff\xff"
_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_LENGTH: Final = Struct("!i").pack
_BIGINT: Final = Struct("!iq").pack
_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = _EPOCH.toordinal()


def micros(instant: datetime) -> int:
    """An instant as the server counts: microseconds since 2000-01-01 UTC, exact."""
    since = instant - _EPOCH
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


def days(day: date) -> int:
    """A date as the server counts: days since 2000-01-01."""
    return day.toordinal() - _EPOCH_DAY


def bigint(value: int | None) -> bytes:
    """A field of type bigint, or NULL."""
    return NULL if value is None else _BIGINT(8, value)


def text(value: str | None) -> bytes:
    """A field of any text type, or NULL."""
    if value is None:
        return NULL
    raw = value.encode()
    return _LENGTH(len(raw)) + raw


def jsonb(value: str | None) -> bytes:
    """A field of type jsonb from its text, or NULL."""
    return NULL if value is None else text("\x01" + value)


def copy_rows(cursor: CursorWrapper, table: str, columns: str, rows: Iterable[bytes]) -> None:
    """
    Write packed rows to a table, in their order.

    Raises Django's database errors, as every other statement does: DRF's handler knows which of them mean "try again".
    """
    with connection.wrap_database_errors, cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)") as copy:
        copy.write(b"".join((_HEADER, *rows, _TRAILER)))
