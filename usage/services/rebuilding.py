"""
Roll-ups counted anew from the events: what they have kept that is not so is told, and mended where that is asked for.

Accounts whose roll-ups agree are only read. One that differs is counted again under its wallet's lock, so that nothing new comes,
and its lifetime row's, under which alone roll-ups change, and mended in that very transaction: no call that arrives meanwhile is lost
or counted twice, and a run that is killed leaves whole accounts.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any, Final

from django.db import connection, transaction

from core.audit import record_act
from core.errors import NotFound
from credits.reconciliation import account_ranges, count_entries
from credits.services.posting import lock_wallets
from usage.services.counting import lock_counts

ACCOUNTS_PER_RANGE: Final = 1_000
TOLD_MAX: Final = 1_000
"""So many differences of one account and roll-up are told; all of them are mended and counted."""
_KEPT_IN_AUDIT: Final = 20

_SQL: Final = Path(__file__).resolve().parents[1] / "sql"
_DIFFERENCES: Final = (_SQL / "rebuild_differences.sql").read_text()
_MEND: Final = (_SQL / "rebuild_mend.sql").read_text()
_COUNTS: Final = (
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
_STATUS: Final = "CASE WHEN refunded_nanos = charged_nanos AND charged_nanos > 0 THEN 'refunded' ELSE status END AS status"
_QUARTER: Final = "date_bin('15 minutes', occurred_at, TIMESTAMPTZ '2000-01-01 00:00:00+00') AS starts_at"
_CREATED: Final = "created_at >= %(since)s::date - 1"
"""What occurred since a day was reported since the day before it: no call is reported long before it occurs."""


Say = Callable[[str], None]
Watch = Callable[[int, int], None]


def _unheard(*_told: object) -> None:
    """Nobody listens."""


@dataclass(frozen=True)
class _Rollup:
    """One table of roll-ups: what it is keyed by, the same of an event, and which rows of both are of a day or later."""

    table: str
    keys: tuple[str, ...]
    of_event: tuple[str, ...]
    of_event_since: str = "TRUE"
    kept_since: str = "TRUE"

    @property
    def differences(self) -> str:
        return _DIFFERENCES.format(
            table=self.table,
            keys=", ".join(self.keys),
            of_event=", ".join(self.of_event),
            of_event_since=self.of_event_since,
            kept_since=self.kept_since,
            places=", ".join(str(place) for place, _ in enumerate(self.keys, start=1)),
            counts=", ".join(_COUNTS),
        )

    @property
    def mend(self) -> str:
        return _MEND.format(
            differences=self.differences,
            table=self.table,
            keys=", ".join(self.keys),
            keys_of_row=", ".join(f"row.{key}" for key in self.keys),
            keys_of_differing=", ".join(f"differing.{key}" for key in self.keys),
            counts=", ".join(_COUNTS),
            counted=", ".join(f"counted[{place}]" for place, _ in enumerate(_COUNTS, start=1)),
            excluded=", ".join(f"excluded.{count}" for count in _COUNTS),
        )


_DAYS: Final = _Rollup(
    "usage_day",
    ("account_id", "day", "model_id", "api_key_id", "endpoint", "status"),
    ("account_id", "local_date AS day", "model_id", "coalesce(api_key_id, 0) AS api_key_id", "endpoint", _STATUS),
    f"local_date >= %(since)s AND {_CREATED}",
    "day >= %(since)s",
)
_QUARTERS: Final = _Rollup(
    "usage_quarter",
    ("account_id", "starts_at", "model_id", "api_key_id", "endpoint", "status"),
    ("account_id", _QUARTER, "model_id", "coalesce(api_key_id, 0) AS api_key_id", "endpoint", _STATUS),
    f"occurred_at >= %(since)s::date::timestamp AT TIME ZONE 'UTC' AND {_CREATED}",
    "starts_at >= %(since)s::date::timestamp AT TIME ZONE 'UTC'",
)
_LIFETIMES: Final = _Rollup("usage_lifetime", ("account_id",), ("account_id",))


@dataclass(frozen=True)
class Difference:
    """One row of a roll-up that is not what the events say: its key, what was kept and what is counted, None where there is no row."""

    account_id: int
    table: str
    key: str
    kept: tuple[int, ...] | None
    counted: tuple[int, ...] | None

    def __str__(self) -> str:
        """A line for a person: whose, which row, and each count that differs."""
        kept, counted = (side or (0,) * len(_COUNTS) for side in (self.kept, self.counted))
        differing = [f"{name} kept {old}, counted {new}" for name, old, new in zip(_COUNTS, kept, counted, strict=True) if old != new] or [
            "a row that counts nothing"
        ]
        return f"account {self.account_id}: {self.table} {self.key}".rstrip() + f": {'; '.join(differing)}"


@dataclass(slots=True)
class Recount:
    """What a run found: how many accounts it looked at, which of them differed, and in how many rows, by roll-up."""

    looked_at: int = 0
    accounts: list[int] = field(default_factory=list)
    rows: dict[str, int] = field(default_factory=dict)

    def add(self, account_id: int, found: dict[str, int]) -> None:
        """What was found of one account."""
        self.accounts.append(account_id)
        for table, rows in found.items():
            self.rows[table] = self.rows.get(table, 0) + rows


@dataclass(frozen=True)
class _Asked:
    since: date | None
    reason: str | None
    """None: only look."""
    now: datetime
    say: Say
    watch: Watch

    @property
    def rollups(self) -> tuple[_Rollup, ...]:
        return (_DAYS, _QUARTERS, _LIFETIMES) if self.since is None else (_DAYS, _QUARTERS)

    def parameters(self, low: int, high: int) -> dict[str, Any]:
        return {"low": low, "high": high, "since": self.since or date.min}


def check_rollups(
    *, account_id: int | None = None, since: date | None = None, now: datetime, say: Say = _unheard, watch: Watch = _unheard
) -> Recount:
    """
    Tell every difference between the roll-ups and the events, of one account or all; nothing is changed.

    since: only days and quarter-hours from this day on; lifetimes are left out then. say: takes each difference as a line for a
    person. watch: is told after each range of accounts how many were looked at and how many differ. Both with no lock held.
    """
    return _recount(account_id, _Asked(since, None, now, say, watch))


def rebuild_rollups(
    *, reason: str, account_id: int | None = None, since: date | None = None, now: datetime, say: Say = _unheard, watch: Watch = _unheard
) -> Recount:
    """The same, and mend what differs: an account at a time, under its wallet's lock, with an audit row that has the reason."""
    return _recount(account_id, _Asked(since, reason, now, say, watch))


def _recount(account_id: int | None, asked: _Asked) -> Recount:
    result = Recount()
    for low, high in _ranges(account_id):
        for suspect in _suspects(low, high, asked):
            if found := _settle(suspect, asked):
                result.add(suspect, found)
        result.looked_at += count_entries(low, high)[0]
        asked.watch(result.looked_at, len(result.accounts))
    return result


def _ranges(account_id: int | None) -> Iterable[tuple[int, int]]:
    return account_ranges(ACCOUNTS_PER_RANGE) if account_id is None else [(account_id, account_id)]


def _suspects(low: int, high: int, asked: _Asked) -> list[int]:
    """Each statement sees one moment, in which events and roll-ups agree: what is being booked is no difference."""
    found: set[int] = set()
    with connection.cursor() as cursor:
        for rollup in asked.rollups:
            cursor.execute(f"SELECT DISTINCT account_id FROM ({rollup.differences}) differing", asked.parameters(low, high))  # noqa: S608
            found |= {account_id for (account_id,) in cursor.fetchall()}
    return sorted(found)


def _settle(account_id: int, asked: _Asked) -> dict[str, int]:
    """Count one account again, mend it if asked; how many rows of each roll-up differed."""
    with transaction.atomic():
        _lock(account_id, asked.now)
        differences = [_look(rollup, account_id, asked) for rollup in asked.rollups]
        found = {rollup.table: len(some) for rollup, some in zip(asked.rollups, differences, strict=True) if some}
        if found and asked.reason is not None:
            _keep(account_id, found, [one for some in differences for one in some], asked)
    for some in differences:
        for one in some[:TOLD_MAX]:
            asked.say(str(one))
    return found


def _lock(account_id: int, now: datetime) -> None:
    try:
        lock_wallets([account_id], now=now)
    except NotFound:
        return  # Roll-ups of an account that does not exist: nobody books for it either.
    lock_counts([account_id])


def _look(rollup: _Rollup, account_id: int, asked: _Asked) -> list[Difference]:
    sql = rollup.differences if asked.reason is None else rollup.mend
    with connection.cursor() as cursor:
        cursor.execute(sql, asked.parameters(account_id, account_id))
        rows = cursor.fetchall()
    return [_difference(rollup, *row) for row in rows]


def _difference(rollup: _Rollup, account_id: int, *rest: Any) -> Difference:
    *key, kept, counted = rest
    named = " ".join(f"{name} {value!s}" for name, value in zip(rollup.keys[1:], key, strict=True) if value != "")
    return Difference(account_id, rollup.table, named, kept and tuple(kept), counted and tuple(counted))


def _keep(account_id: int, found: dict[str, int], differences: list[Difference], asked: _Asked) -> None:
    record_act(
        actor_id=None,
        act="rebuild_rollups",
        object_type="account",
        object_id=str(account_id),
        account_id=account_id,
        reason=asked.reason or "",
        before={"differences": [str(one) for one in differences[:_KEPT_IN_AUDIT]]},
        after={"rows_mended": found},
        now=asked.now,
    )
