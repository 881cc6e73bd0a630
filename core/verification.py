"""What an invariant check is: each app contributes its own, `billing_platform.verification` runs them all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from django.db import connection


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that is not as it must be: whose account, which invariant, what exactly."""

    account_id: int
    invariant: int
    detail: str


@dataclass(frozen=True, slots=True)
class Check:
    """
    One invariant over a range of accounts.

    `invariant`: its number in docs/invariants.md. `name`: what must hold. `find(low, high)` gives (account id, detail) of every
    disagreement among accounts `low`…`high`, inclusive; it only reads, inside a transaction that the caller opened.
    """

    invariant: int
    name: str
    find: Callable[[int, int], Iterable[tuple[int, str]]]


def sql_checks(folder: Path) -> tuple[Check, ...]:
    """A check per file `NN_name.sql`; its rows are (account_id, detail), its parameters `low` and `high`."""
    return tuple(_sql_check(path) for path in sorted(folder.glob("*.sql")))


def _sql_check(path: Path) -> Check:
    number, name = path.stem.split("_", 1)
    sql = path.read_text()

    def find(low: int, high: int) -> Iterable[tuple[int, str]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, {"low": low, "high": high})
            rows: list[tuple[int, str]] = cursor.fetchall()
        return rows

    return Check(int(number), name.replace("_", " "), find)
