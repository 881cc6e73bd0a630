"""
Usage of all accounts by UTC day, folded from the quarter-hours, so that an operator's report costs the size of its answer.

Reporting usage does not know of it. The job takes no lock that ingest waits for.
"""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import connection, transaction

from core.clock import HasTime
from core.locks import try_claim
from core.zones import local_date, utc_midnight
from usage.models import FoldMark, PlatformHour
from usage.services import counting

HOURS_KEPT: Final = 25
ACCOUNTS_AT_ONCE: Final = 500
_OVERLAP: Final = timedelta(hours=1)
_FOREVER: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CLAIM: Final = "usage.fold_platform_usage"
_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_WAITING, _FRESH, _WHOLE, _APPLY, _HOURS = (
    (_SQL / f"platform_{name}.sql").read_text(encoding="utf-8") for name in ("waiting", "fresh", "whole", "apply", "hours")
)


def fold_platform_usage(*, now: datetime, has_time: HasTime) -> int:
    """
    Fold every account whose lifetime counts more than its folded days into them; returns how many accounts.

    What is booked is counted first. Days are replaced and never added to, so a run that is repeated, or killed half-way, counts nothing
    twice. Those since the last run
    are counted anew first; where the sums are then not those of the lifetime (a late event, a refund of old usage), all of the account's.
    Somebody else who folds meanwhile: 0.
    """
    counting.count_waiting(has_time=has_time)
    mark, folded, after = FoldMark.objects.first(), 0, 0
    recent = _FOREVER if mark is None else utc_midnight(mark.counted_at - _OVERLAP)
    while has_time():
        accounts = _fold_next(after, recent)
        if accounts is None:
            return folded
        if not accounts:
            _finish(now)
            return folded
        folded, after = folded + len(accounts), accounts[-1]
    return folded


def counted_at() -> datetime | None:
    """What was booked before this instant is counted in the platform's days and hours; None before the first fold."""
    return FoldMark.objects.values_list("counted_at", flat=True).first()


def _fold_next(after: int, recent: datetime) -> list[int] | None:
    """Fold the next accounts that wait, in one transaction; none where none is left, None where somebody else folds."""
    with transaction.atomic():
        if not try_claim(_CLAIM):
            return None
        with connection.cursor() as cursor:
            cursor.execute(_WAITING, {"after": after, "most": ACCOUNTS_AT_ONCE})
            accounts = [account_id for (account_id,) in cursor.fetchall()]
        if accounts:
            done = _fold(accounts, recent)
            if rest := sorted(set(accounts) - done):
                _fold(rest, _FOREVER)
    return accounts


def _fold(accounts: list[int], since: datetime) -> set[int]:
    """Count these accounts' days from `since` on anew; returns those of which that was all that had changed, the others are as before."""
    days: dict[str, date] = {"since_day": local_date("UTC", since)}
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.fresh_day, pg_temp.fresh_account")
        cursor.execute(_FRESH, {"accounts": accounts, "since": since})
        cursor.execute(_WHOLE, days)
        cursor.execute("SELECT account_id FROM fresh_account")
        done = {account_id for (account_id,) in cursor.fetchall()}
        for statement in _APPLY.split(";\n"):
            if statement.strip():
                cursor.execute(statement, days if "%(" in statement else None)
    return done


def _finish(now: datetime) -> None:
    """Every account was looked at: the hours, and the instant that all of it is as of."""
    since = now.replace(minute=0, second=0, microsecond=0) - timedelta(hours=HOURS_KEPT - 1)
    with transaction.atomic():
        if not try_claim(_CLAIM):
            return
        PlatformHour.objects.all().delete()
        with connection.cursor() as cursor:
            cursor.execute(_HOURS, {"since": since})
        FoldMark.objects.update_or_create(pk=FoldMark.ONE, defaults={"counted_at": now})
