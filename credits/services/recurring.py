"""Grants that come again each period: every missed one is issued, one by one, each once for ever."""

from bisect import bisect_left
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from django.db import transaction

from accounts.selectors import get_account_by_id, zone_at
from core.zones import local_date
from credits.books import Source
from credits.books.periods import Every, Period, begun, first_day, period
from credits.models import Book, Category, Grant, Kind
from credits.services.grants import GrantTerms, add_lot
from credits.services.posting import open_one, write_books

__all__ = ("Every", "Series", "issue_due_periods")

MOST_AT_ONCE: Final = 100
"""How many periods one call issues; the caller asks again while it gets as many."""

_A_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Series:
    """
    What is given each period, in the account's local days.

    `name` is unique per account and never changes: a period's source key is `<name>:<its first day>`. `anchor`: the first day of the
    first period. `amount_nanos` > 0 per period; a later change of amount concerns periods that are not issued yet.
    `expires`: whether credits end with their period. One that is over when it is issued keeps its full length, counted from then: who
    waited for us loses nothing. `until`: the first day on which no period begins any more.
    """

    name: str
    anchor: date
    every: Every
    amount_nanos: int
    kind: Kind
    book: Book
    category: Category
    source_type: str
    source_id: str
    priority: int = 0
    expires: bool = True
    until: date | None = None


def issue_due_periods(*, account_id: int, series: Series, now: datetime, most: int = MOST_AT_ONCE) -> list[Grant]:
    """
    Issue what has begun by `now` and was not issued yet, oldest first, at most `most` periods, each in a transaction of its own.

    Returns what this call issued: empty where nothing was due. Two calls at once issue each period once.
    Raises NotFound (no such account, or it is closed), AmountOutOfRange, BadTerms.
    """
    zone = zone_at(get_account_by_id(account_id), now)
    today = local_date(zone, now)
    due = begun(series.anchor, series.every, today if series.until is None else min(today, series.until - _A_DAY))
    # They are issued in order, so the first that is missing is found without reading all that are there.
    first = bisect_left(range(due), 1, key=lambda number: not _is_issued(account_id, _key(series, number)))
    periods = (period(series.anchor, series.every, number, zone=zone) for number in range(first, min(due, first + most)))
    issued = (_issue(account_id, series, one, now) for one in periods)
    return [grant for grant in issued if grant is not None]


def _issue(account_id: int, series: Series, one: Period, now: datetime) -> Grant | None:
    """None where somebody else has issued it meanwhile."""
    with transaction.atomic():
        books = open_one(account_id, now=now)
        if _is_issued(account_id, _key(series, one.number)):
            return None
        lot = add_lot(books, _terms(series, one, books.clock_at))
        write_books([books])
        return Grant.objects.get(pk=lot.place)


def _terms(series: Series, one: Period, clock_at: datetime) -> GrantTerms:
    ends_at = one.ends_at if one.ends_at > clock_at else clock_at + (one.ends_at - one.starts_at)
    return GrantTerms(
        amount_nanos=series.amount_nanos,
        kind=series.kind,
        book=series.book,
        category=series.category,
        source=Source(series.source_type, series.source_id, _key(series, one.number)),
        priority=series.priority,
        effective_at=one.starts_at,
        expires_at=ends_at if series.expires else None,
    )


def _key(series: Series, number: int) -> str:
    return f"{series.name}:{first_day(series.anchor, series.every, number).isoformat()}"


def _is_issued(account_id: int, key: str) -> bool:
    return Grant.objects.filter(account_id=account_id, source_key=key).exists()
