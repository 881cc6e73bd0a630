"""What an invariant check is: each app contributes its own, `billing_platform.verification` runs them all."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import connection

ROWS_MAX: Final = 1_000
"""So many disagreements of one check in one range are looked at: as many as a person reads, whatever went wrong."""
ROWS_OF_ACCOUNT_MAX: Final = 20
"""And so many of one account, so that one whose books are in ruins does not hide all others."""

HOUSE: Final = 0
"""In place of a customer's account where the house accounts disagree."""


@dataclass(frozen=True, slots=True)
class Discrepancy:
    """One thing that is not as it must be: whose account, which invariant by which check, what exactly."""

    account_id: int
    invariant: int
    check: str
    detail: str

    def __str__(self) -> str:
        """A line for a person: account, invariant, what exactly."""
        return f"account {self.account_id}, invariant {self.invariant}: {self.check}: {self.detail}"


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
    sql = _bounded(path.read_text())

    def find(low: int, high: int) -> Iterable[tuple[int, str]]:
        with connection.cursor() as cursor:
            cursor.execute(sql, {"low": low, "high": high})
            rows: list[tuple[int, str]] = cursor.fetchall()
        return rows

    return Check(int(number), name.replace("_", " "), find)


def _bounded(sql: str) -> str:
    """
    The check's first rows only: a client reads a whole result into its memory.

    MATERIALIZED keeps the planner from choosing a plan for few rows, which a check of books that agree would pay for.
    """
    return (
        f"WITH found (account_id, detail) AS MATERIALIZED (\n{sql}\n)"  # noqa: S608 - a file of ours
        " SELECT account_id, detail FROM (SELECT *, row_number() OVER (PARTITION BY account_id) AS place FROM found) AS told"
        f" WHERE place <= {ROWS_OF_ACCOUNT_MAX} LIMIT {ROWS_MAX}"
    )
