"""What roll-ups must be: a recount of the events that bear no mark. Each difference, as verification finds it and a rebuild mends it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from django.db import connection

from core.verification import ROWS_MAX, ROWS_OF_ACCOUNT_MAX

_SQL: Final = Path(__file__).resolve().parent / "sql"
_DIFFERENCES: Final = (_SQL / "rebuild_differences.sql").read_text()
_MEND: Final = (_SQL / "rebuild_mend.sql").read_text()
COUNTS: Final = (
    "events",
    "input_tokens",
    "output_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "reasoning_tokens",
    "cost_nanos",
    "provider_cost_nanos",
    "costed_nanos",
)
_REPORTED_SINCE: Final = "created_at >= %(since)s::date - 1"
"""What occurred since a day was reported since the day before it: no call is reported long before it occurs."""


@dataclass(frozen=True)
class Rollup:
    """One table of roll-ups: what it is keyed by, and which of its rows, and of the events, are of `since` or later."""

    table: str
    keys: tuple[str, ...]
    since: str = ""
    may_count_nothing: bool = False
    """A row of zeros is as good as none: a lifetime's is there before its events are counted, for it is the lock."""

    @property
    def differences(self) -> str:
        """SQL: the rows of accounts `low` to `high`, from the day `since` on, that are not what the events say."""
        return _DIFFERENCES.format(
            table=self.table,
            keys=", ".join(self.keys),
            sums=", ".join(f"sum({count})" for count in COUNTS),
            counts=", ".join(COUNTS),
            since=self.since or "TRUE",
            reported_since=_REPORTED_SINCE if self.since else "TRUE",
            nothing=f"array_fill(0::bigint, ARRAY[{len(COUNTS)}])" if self.may_count_nothing else "NULL",
        )

    @property
    def mend(self) -> str:
        """SQL: the same, mended."""
        return _MEND.format(
            differences=self.differences,
            table=self.table,
            keys=", ".join(self.keys),
            keys_of_row=", ".join(f"row.{key}" for key in self.keys),
            keys_of_differing=", ".join(f"differing.{key}" for key in self.keys),
            counts=", ".join(COUNTS),
            counted=", ".join(f"counted[{place}]" for place, _ in enumerate(COUNTS, start=1)),
            excluded=", ".join(f"excluded.{count}" for count in COUNTS),
        )


DAYS: Final = Rollup("usage_day", ("account_id", "day", "model_id", "api_key_id", "endpoint", "status"), "day >= %(since)s")
QUARTERS: Final = Rollup(
    "usage_quarter",
    ("account_id", "starts_at", "model_id", "api_key_id", "endpoint", "status"),
    "starts_at >= %(since)s::date::timestamp AT TIME ZONE 'UTC'",
)
LIFETIMES: Final = Rollup("usage_lifetime", ("account_id",), may_count_nothing=True)


@dataclass(frozen=True)
class Difference:
    """One row of a roll-up that is not what the events say: its key, what was kept and what is counted, None where there is no row."""

    account_id: int
    table: str
    key: str
    kept: tuple[int, ...] | None
    counted: tuple[int, ...] | None

    @property
    def detail(self) -> str:
        """Which row, and each count that differs."""
        kept, counted = (side or (0,) * len(COUNTS) for side in (self.kept, self.counted))
        differing = [f"{name} kept {old}, counted {new}" for name, old, new in zip(COUNTS, kept, counted, strict=True) if old != new] or [
            "a row that counts nothing"
        ]
        return f"{self.table} {self.key}".rstrip() + f": {'; '.join(differing)}"

    def __str__(self) -> str:
        """A line for a person: whose, and the rest."""
        return f"account {self.account_id}: {self.detail}"


def read_difference(rollup: Rollup, account_id: int, *rest: Any) -> Difference:
    """A row of `differences`."""
    *key, kept, counted = rest
    named = " ".join(f"{name} {value!s}" for name, value in zip(rollup.keys[1:], key, strict=True) if value != "")
    return Difference(account_id, rollup.table, named, kept and tuple(kept), counted and tuple(counted))


def find_differences(rollup: Rollup, low: int, high: int) -> Iterator[tuple[int, str]]:
    """(account id, detail) of the first of them, as a check of verification tells them."""
    with connection.cursor() as cursor:
        cursor.execute(_bounded(rollup), {"low": low, "high": high})
        rows = cursor.fetchall()
    for row in rows:
        found = read_difference(rollup, *row)
        yield found.account_id, found.detail


def _bounded(rollup: Rollup) -> str:
    """Of all days. MATERIALIZED: else it would be planned for few rows, which accounts that agree would pay for."""
    columns = ", ".join((*rollup.keys, "kept", "counted"))
    return (
        f"WITH found AS MATERIALIZED (\n{replace(rollup, since='').differences}\n)"  # noqa: S608 - names of ours
        f" SELECT {columns} FROM (SELECT *, row_number() OVER (PARTITION BY account_id) AS place FROM found) AS told"
        f" WHERE place <= {ROWS_OF_ACCOUNT_MAX} LIMIT {ROWS_MAX}"
    )
