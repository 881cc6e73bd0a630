"""
Roll-ups counted anew from the events: what they have kept that is not so is told, and mended where that is asked for.

Accounts whose roll-ups agree are only read. One that differs is counted again under its wallet's lock, so that nothing new comes,
and its lifetime row's, under which alone roll-ups change, and mended in that very transaction: no call that arrives meanwhile is lost
or counted twice, and a run that is killed leaves whole accounts. What was folded of it into the platform's days is compared with the
quarter-hours after that, and folded anew.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Final

from django.db import connection, transaction

from core.audit import record_act
from core.errors import NotFound
from core.verification import HOUSE
from credits.reconciliation import account_ranges, count_entries
from credits.services.posting import lock_wallets
from usage.rollups import DAYS, LIFETIMES, QUARTERS, Difference, Rollup, read_difference
from usage.services import platform_days
from usage.services.counting import lock_counts
from usage.services.platform_days import Unlike

ACCOUNTS_PER_RANGE: Final = 1_000
TOLD_MAX: Final = 1_000
"""So many differences of one account and roll-up are told; all of them are mended and counted."""
_KEPT_IN_AUDIT: Final = 20
_FOLDED: Final = "usage_account_day"
_PLATFORM: Final = "usage_platform_day"

Say = Callable[[str], None]
Watch = Callable[[int, int], None]


def _unheard(*_told: object) -> None:
    """Nobody listens."""


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
    def rollups(self) -> tuple[Rollup, ...]:
        return (DAYS, QUARTERS, LIFETIMES) if self.since is None else (DAYS, QUARTERS)

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
        found = {suspect: rows for suspect in _suspects(low, high, asked) if (rows := _settle(suspect, asked))}
        for folded, rows in _fold_again(low, high, list(found), asked).items():
            found[folded] = found.get(folded, {}) | rows
        for differing in sorted(found):
            result.add(differing, found[differing])
        result.looked_at += count_entries(low, high)[0]
        asked.watch(result.looked_at, len(result.accounts))
    if account_id is None and (rows := _settle_platform(asked)):
        result.add(HOUSE, rows)
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
            _keep(account_id, found, [str(one) for some in differences for one in some], asked)
    for some in differences:
        for one in some[:TOLD_MAX]:
            asked.say(str(one))
    return found


def _fold_again(low: int, high: int, mended: list[int], asked: _Asked) -> dict[int, dict[str, int]]:
    """
    Find the accounts whose folded days are not their quarter-hours, and fold them anew if asked; how many rows of each differed.

    So are those that were mended just now: days that were folded from a lie may hide behind usage that is not folded yet.
    """
    unlike = platform_days.find_unlike(low, high, told_max=TOLD_MAX)
    found = {one.account_id: {_FOLDED: one.rows} for one in unlike}
    _tell(_FOLDED, unlike, asked)
    if asked.reason is not None and (accounts := sorted({*mended, *found})):
        for account_id in accounts:
            platform_days.fold_anew([account_id])
        for one in unlike:
            _keep(one.account_id, found[one.account_id], one.told, asked)
    return found


def _settle_platform(asked: _Asked) -> dict[str, int]:
    """The same of the platform's days, against the accounts'."""
    unlike = platform_days.find_unlike_platform(told_max=TOLD_MAX)
    _tell(_PLATFORM, unlike, asked)
    if unlike and asked.reason is not None:
        platform_days.mend_platform()
        _keep(None, {_PLATFORM: unlike[0].rows}, unlike[0].told, asked)
    return {_PLATFORM: unlike[0].rows} if unlike else {}


def _tell(table: str, unlike: list[Unlike], asked: _Asked) -> None:
    for one in unlike:
        for line in one.told:
            asked.say(f"account {one.account_id}: {table}: {line}")


def _lock(account_id: int, now: datetime) -> None:
    try:
        lock_wallets([account_id], now=now)
    except NotFound:
        return  # Roll-ups of an account that does not exist: nobody books for it either.
    lock_counts([account_id])


def _look(rollup: Rollup, account_id: int, asked: _Asked) -> list[Difference]:
    sql = rollup.differences if asked.reason is None else rollup.mend
    with connection.cursor() as cursor:
        cursor.execute(sql, asked.parameters(account_id, account_id))
        rows = cursor.fetchall()
    return [read_difference(rollup, *row) for row in rows]


def _keep(account_id: int | None, found: dict[str, int], differences: list[str], asked: _Asked) -> None:
    record_act(
        actor_id=None,
        act="rebuild_rollups",
        object_type="account" if account_id is not None else "platform",
        object_id="" if account_id is None else str(account_id),
        account_id=account_id,
        reason=asked.reason or "",
        before={"differences": differences[:_KEPT_IN_AUDIT]},
        after={"rows_mended": found},
        now=asked.now,
    )
