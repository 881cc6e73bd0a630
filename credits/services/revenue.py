"""Revenue, folded from allocations a UTC day at a time: each finished day once, however late or often."""

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Final

from django.db import connection, transaction
from django.db.models import Min

from core.clock import HasTime
from core.errors import InvariantViolation
from core.locks import lock_one
from core.zones import local_date, midnight
from credits.models import Allocation, RevenueMark

OVER_AFTER: Final = timedelta(hours=1)
"""An allocation is in its day by `created_at`. A job may hold its instant for half an hour before it commits, and is ended then: an hour
after midnight a day is whole."""

_DAY: Final = timedelta(days=1)
_FOLD: Final = (Path(__file__).resolve().parent.parent / "sql" / "revenue_fold.sql").read_text(encoding="utf-8")


def fold_revenue(*, now: datetime, has_time: HasTime) -> int:
    """
    Fold the allocations of every finished UTC day that nobody folded yet into revenue, in nanos; returns how many days.

    A day is one transaction under the mark's lock: who comes second finds it done, and what is killed half-way has done nothing. It reads
    what is committed and locks no wallet.
    """
    folded, yesterday = 0, local_date("UTC", now - OVER_AFTER) - _DAY
    _begin(yesterday)
    while has_time() and _fold_next_day(yesterday):
        folded += 1
    return folded


def folded_through() -> date | None:
    """The last UTC day whose revenue is folded whole; None before the first."""
    return RevenueMark.objects.values_list("through_on", flat=True).first()


def _begin(yesterday: date) -> None:
    """The mark stands before the first allocation, wherever that is: the one time that all of them are looked at."""
    if not RevenueMark.objects.exists():
        first = Allocation.objects.aggregate(at=Min("created_at"))["at"]
        through = yesterday if first is None else min(yesterday, local_date("UTC", first) - _DAY)
        RevenueMark.objects.get_or_create(pk=RevenueMark.ONE, defaults={"through_on": through})


def _fold_next_day(until: date) -> bool:
    with transaction.atomic():
        mark = lock_one(RevenueMark.objects.all())
        if mark is None:
            raise InvariantViolation("revenue has no mark")
        if mark.through_on >= until:
            return False
        day = mark.through_on + _DAY
        with connection.cursor() as cursor:
            cursor.execute(_FOLD, {"day": day, "since": midnight("UTC", day), "until": midnight("UTC", day + _DAY)})
        mark.through_on = day
        mark.save(update_fields=["through_on"])
    return True
