"""A second database beside the benchmark's, and room for both."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import quote

import psycopg
from django.db import connection

_BYTES_AN_EVENT: Final = 1_800
"""Event, entry, allocation and roll-ups with their indexes, and what a vacuum and sorting need beside them."""
_BYTES_ANYWAY: Final = 6 * 10**9
"""The write-ahead log at its most, and the second database."""


def require_room(events: int) -> None:
    """Stop before anything is written where so many events would not fit. A server elsewhere is not asked."""
    with connection.cursor() as cursor:
        cursor.execute("SHOW data_directory")
        folder = Path(cursor.fetchone()[0])
    needed = events * _BYTES_AN_EVENT + _BYTES_ANYWAY
    free = shutil.disk_usage(folder if folder.exists() else Path.cwd()).free
    print(f"{events:,} events need about {needed / 10**9:.0f} GB of disk; {free / 10**9:.0f} GB are free", flush=True)
    if free < needed:
        raise SystemExit('not enough disk: free some, or measure less, e.g. make bench-large ARGS="--events 1000000"')


@contextmanager
def cloned(name: str) -> Iterator[str]:
    """A copy of this database as it is now, for as long as the block lasts; its URL. Nobody else may be connected to this one."""
    of = connection.settings_dict["NAME"]
    connection.close()
    _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)', f'CREATE DATABASE "{name}" TEMPLATE "{of}"')
    try:
        yield _url(name)
    finally:
        _administer(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def _administer(*statements: str) -> None:
    with psycopg.connect(_url("postgres"), autocommit=True) as server:
        for statement in statements:
            server.execute(statement.encode())


def _url(name: str) -> str:
    said = {key: quote(str(connection.settings_dict[key]), safe="") for key in ("USER", "PASSWORD", "HOST", "PORT")}
    return f"postgres://{said['USER']}:{said['PASSWORD']}@{said['HOST']}:{said['PORT']}/{name}"
