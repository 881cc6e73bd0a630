"""
Usage of all accounts by UTC day, folded from the quarter-hours, so that an operator's report costs the size of its answer.

Reporting usage does not know of it. The job takes no lock that ingest waits for.
"""

import logging
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import connection, transaction

from core.clock import HasTime
from core.locks import claim, try_claim
from core.zones import local_date, utc_midnight
from usage.models import AccountDay, FoldedAccount, FoldMark, PlatformHour
from usage.services import counting

HOURS_KEPT: Final = 25
ACCOUNTS_AT_ONCE: Final = 500
_OVERLAP: Final = timedelta(hours=1)
_FOREVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLAIM: Final = "usage.fold_platform_usage"
_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_WAITING, _FRESH, _WHOLE, _ANEW, _APPLY, _HOURS, _MEND = (
    (_SQL / f"platform_{name}.sql").read_text(encoding="utf-8") for name in ("waiting", "fresh", "whole", "anew", "apply", "hours", "mend")
)
_ACCOUNT_DAYS, _PLATFORM_DAYS = (
    (_SQL / "checks" / f"12_{name}.sql").read_text(encoding="utf-8") for name in ("account_days_recount", "platform_days_add_up")
)
_TOLD: Final = "SELECT account_id, count(*), (array_agg(detail))[1:%(most)s] FROM ({found}) found GROUP BY account_id ORDER BY account_id"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Unlike:
    """Days of an account that are not those of its quarter-hours: how many rows, and the first of them in words."""

    account_id: int
    rows: int
    told: list[str]


def fold_platform_usage(*, now: datetime, has_time: HasTime) -> int:
    """
    Fold every account whose lifetime counts more than its folded days into them; returns how many accounts.

    What is booked is counted first. Days are replaced and never added to, so a run that is repeated, or killed half-way, counts nothing
    twice. Those since the last run are counted anew first; where the sums are then not those of the lifetime (a late event, a refund of
    old usage), all of the account's. Where they are not even then, its roll-ups lie: it is folded as its quarter-hours say, logged, and
    counted in the mark (FoldMark.differing). Somebody else who folds meanwhile: 0.
    """
    counting.count_waiting(has_time=has_time)
    mark, folded, differing, after = FoldMark.objects.first(), 0, 0, 0
    recent = _FOREVER if mark is None else utc_midnight(mark.counted_at - _OVERLAP)
    while has_time():
        next_ = _fold_next(after, recent)
        if next_ is None:
            return folded
        accounts, lying = next_
        if not accounts:
            _finish(now, differing)
            return folded
        folded, differing, after = folded + len(accounts), differing + len(lying), accounts[-1]
    return folded


def find_unlike(low: int, high: int, *, told_max: int) -> list[Unlike]:
    """Accounts `low` to `high` whose days are not those of their quarter-hours although all of their usage is folded. Only reads."""
    return _find(_ACCOUNT_DAYS, low, high, told_max)


def find_unlike_platform(*, told_max: int) -> list[Unlike]:
    """The platform's days that are not the sums of the accounts', as those of account 0. Only reads."""
    return _find(_PLATFORM_DAYS, 0, 0, told_max)


def fold_anew(account_ids: list[int]) -> None:
    """Put what their quarter-hours say in the place of all the days of these accounts, of those that were ever folded."""
    with transaction.atomic():
        claim(_CLAIM)
        folded = FoldedAccount.objects.filter(account_id__in=account_ids).values_list("account_id", flat=True)
        days = AccountDay.objects.filter(account_id__in=account_ids).values_list("account_id", flat=True)
        if accounts := sorted({*folded, *days.distinct()}):
            _fold_as_it_is(accounts)


def mend_platform() -> None:
    """Make the platform's days the sums of the accounts' again."""
    with transaction.atomic():
        claim(_CLAIM)
        with connection.cursor() as cursor:
            cursor.execute(_MEND)


def counted_at() -> datetime | None:
    """What was booked before this instant is counted in the platform's days and hours; None before the first fold."""
    return FoldMark.objects.values_list("counted_at", flat=True).first()


def _fold_next(after: int, recent: datetime) -> tuple[list[int], list[int]] | None:
    """
    Fold the next accounts that wait, in one transaction; none where none is left, None where somebody else folds. And which of them
    have quarter-hours that are not their lifetime.
    """
    lying: list[int] = []
    with transaction.atomic():
        if not try_claim(_CLAIM):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_WAITING, {"after": after, "most": ACCOUNTS_AT_ONCE})
            accounts = [account_id for (account_id,) in cursor.fetchall()]
        if accounts:
            lying = _left(_left(accounts, recent), _FOREVER)
        if lying:
            _fold_as_it_is(lying)
    for account_id in lying:
        _log.error("account %s: its quarter-hours are not its lifetime; run rebuild_rollups", account_id)
    return accounts, lying


def _left(accounts: list[int], since: datetime) -> list[int]:
    """Count these accounts' days from `since` on anew; returns those of which that was not all that had changed: they are as before."""
    if not accounts:
        return []
    _count_days(accounts, since)
    with connection.cursor() as cursor:
        cursor.execute(_WHOLE, _days(since))
        cursor.execute("SELECT account_id FROM fresh_account")
        done = {account_id for (account_id,) in cursor.fetchall()}
    _apply(since)
    return sorted(set(accounts) - done)


def _fold_as_it_is(accounts: list[int]) -> None:
    """All days of these accounts, as their quarter-hours say."""
    _count_days(accounts, _FOREVER)
    with connection.cursor() as cursor:
        cursor.execute(_ANEW, {"accounts": accounts})
    _apply(_FOREVER)


def _count_days(accounts: list[int], since: datetime) -> None:
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.fresh_day, pg_temp.fresh_account")
        cursor.execute(_FRESH, {"accounts": accounts, "since": since})


def _apply(since: datetime) -> None:
    with connection.cursor() as cursor:
        for statement in _APPLY.split(";\n"):
            if statement.strip():
                cursor.execute(statement, _days(since) if "%(" in statement else None)


def _days(since: datetime) -> dict[str, date]:
    return {"since_day": local_date("UTC", since)}


def _find(sql: str, low: int, high: int, told_max: int) -> list[Unlike]:
    with connection.cursor() as cursor:
        cursor.execute(_TOLD.format(found=sql), {"low": low, "high": high, "most": told_max})
        return [Unlike(*row) for row in cursor.fetchall()]


def _finish(now: datetime, differing: int) -> None:
    """Every account was looked at: the hours, and the instant that all of it is as of."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_KEPT - 1)
    with transaction.atomic():
        if not try_claim(_CLAIM):
            return
        PlatformHour.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(_HOURS, {"since": since})
        FoldMark.objects.update_or_create(pk=FoldMark.ONE, defaults={"counted_at": now, "differing": differing})
