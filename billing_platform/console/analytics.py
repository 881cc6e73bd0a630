"""Usage and revenue of all accounts, or of one, for whoever may see them: a page, and each of its tables as a download."""

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final

from django.contrib.admin import site
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBadRequest, StreamingHttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse

from accounts.admin import find_account_ids
from accounts.models import Account
from billing_platform.console import analytics_plots as plots
from billing_platform.console import analytics_tables as tables
from billing_platform.console.analytics_period import Period, asked_period, narrowed
from core import clock
from core.console.shown import EMPTY, percent, usd
from credits.selectors import revenue
from credits.selectors.revenue import Revenue
from credits.services.revenue import folded_through
from usage.selectors import platform as usage
from usage.selectors.platform import Used
from usage.services.counting import count_account
from usage.services.platform_days import counted_at

PERMISSION: Final = "usage.view_analytics"
VIEWS: Final = {"": "Overview", "account": "By account", "key": "By API key"}
"""Of all accounts. The overview costs its days; what names accounts or keys costs their days, so it is read where it is asked for."""
_FORMULA: Final = re.compile(r"[=+\-@\t\r\n]")
_NUMBER: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")


@dataclass(frozen=True)
class Asked:
    """Which time, whose, and which of VIEWS."""

    period: Period
    account: Account | None
    view: str

    @property
    def problem(self) -> str:
        """Why the time is not the one that was asked for."""
        return self.period.problem

    @property
    def query(self) -> str:
        """For links to the same."""
        return self.period.query + (f"&account={self.account.public_id}" if self.account else "")


def analytics_urls() -> list[URLPattern]:
    """The pages, for the site."""
    return [
        path("analytics/", site.admin_view(analytics), name="analytics"),
        path("analytics/<str:name>.csv", site.admin_view(analytics_csv), name="analytics_csv"),
    ]


def analytics(request: HttpRequest) -> HttpResponse:
    """The page."""
    asked = _asked(request)
    if asked.view:
        asked = replace(asked, period=narrowed(asked.period))
    context = site.each_context(request) | {"title": "Usage and revenue", "subtitle": None, "asked": asked, "views": VIEWS}
    return TemplateResponse(request, "admin/console/analytics.html", context | _found(asked))


def analytics_csv(request: HttpRequest, name: str) -> HttpResponse | StreamingHttpResponse:
    """One of its tables, exact, row by row as it is read. A time that cannot be had is refused: nobody reads why it is another one."""
    asked = _asked(request)
    if name not in tables.TABLES:
        raise Http404("There is no such table.")
    is_narrow = name in tables.BY_GROUP and asked.account is None
    if problem := narrowed(asked.period).problem if is_narrow else asked.problem:
        return HttpResponseBadRequest(f"{problem} Ask for another time.\n", content_type="text/plain; charset=utf-8")
    rows = tables.download(name, asked.period, asked.account.pk if asked.account else None)
    answer = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    file = f"{name}-{asked.period.since:%Y%m%d}-{asked.period.until:%Y%m%d}.csv"
    answer.headers["Content-Disposition"] = f'attachment; filename="{file}"'
    answer.headers["Cache-Control"] = "no-store"
    return answer


def analytics_of(account: Account) -> str:
    """The address of one account's page."""
    return f"{reverse('admin:analytics')}?period=30d&account={account.public_id}"


def safe_cell(cell: object) -> object:
    """A cell that no spreadsheet takes for a formula. Numbers of ours stay as they are, those below 0 too."""
    is_formula = isinstance(cell, str) and _FORMULA.match(cell) and not _NUMBER.fullmatch(cell)
    return f"'{cell}" if is_formula else cell


def _asked(request: HttpRequest) -> Asked:
    """Raises PermissionDenied."""
    if not request.user.has_perm(PERMISSION):
        raise PermissionDenied
    period = asked_period(request.GET.dict(), now=clock.now())
    word = request.GET.get("account", "").strip()
    account = Account.objects.filter(pk__in=find_account_ids(word)).first() if word else None
    if word and account is None:
        raise Http404("There is no such account.")
    if account is not None and period.hours_since is not None:
        count_account(account.pk)  # Its hours are read from its own roll-ups, which are not folded.
    view = request.GET.get("by", "")
    return Asked(period, account, view if view in VIEWS and account is None else "")


def _found(asked: Asked) -> dict[str, Any]:
    period, pk = asked.period, asked.account.pk if asked.account else None
    used, all_used = usage.by_time(period, pk), usage.totals(period, pk)
    days, absorbed = revenue.by_day(period.since, period.until, pk), revenue.absorbed_by_day(period.since, period.until, pk)
    earned = revenue.total(days)
    shown = [tables.used_by(by, period, pk, all_used) for by in _BREAKDOWNS["one" if pk else asked.view]]
    if asked.view == "account":
        shown.append(tables.revenue_by_account(period, earned))
    if not asked.view:
        shown = [tables.used_by_time(period, used, absorbed), *shown, tables.revenue_by_day(days)]
    return {
        "tables": shown,
        "plots": [
            *([] if asked.view else _plots(period, used, days)),
            *(plots.most_charged(table) for table in shown if plots.has_most_charged(table)),
        ],
        "used": used_words(all_used, sum(absorbed.values())),
        "earned": earned_words(earned),
        "counted_at": clock.now() if pk and period.hours_since is not None else counted_at(),
        "folded_through": folded_through(),
    }


_BREAKDOWNS: Final = {"": ("model", "status"), "account": ("account",), "key": ("key",), "one": ("model", "key", "status")}


def _plots(period: Period, used: dict[date | datetime, Used], days: dict[date, Revenue]) -> list[plots.Plot]:
    found = [plots.calls(period, used), plots.margins(period, used)]
    return [plots.bearers(period, days), *found] if period.hours_since is None else found


def used_words(used: Used, absorbed: int) -> list[tuple[str, str, str]]:
    """The sums of a period: a word, the sum, and what it speaks of."""
    known = bool(used.costed or used.provider_cost)
    covers = f"covers {percent(used.costed, used.charged) or '0 %'} of what was charged" if known else "no provider cost is known"
    return [
        ("Events", f"{used.events:,}", f"{used.failed:,} failed ({percent(used.failed, used.events)})" if used.failed else "none failed"),
        ("Tokens", f"{used.tokens:,}", "all five classes"),
        ("Charged", usd(used.charged), "less refunds"),
        ("Absorbed", usd(absorbed), "borne by the house, by days that are booked"),
        ("Provider cost", usd(used.provider_cost) if known else EMPTY, "where it is known"),
        ("Margin", usd(used.margin) if known else EMPTY, covers),
    ]


def earned_words(earned: Revenue) -> list[tuple[str, str, str]]:
    """Likewise for revenue."""
    owed = earned.owed - earned.settled_paid - earned.settled_promo - earned.written_off - earned.returned_owed
    return [
        ("Earned", usd(earned.earned), "paid credits that were used, and debt they settled, less what was given back"),
        ("Promotional", usd(earned.given), "usage that promotional credits paid for"),
        ("Owed, on balance", usd(owed), "usage nobody has paid for yet, less older usage settled in this time"),
        ("Breakage", usd(earned.breakage_paid), "paid credits that expired"),
    ]


class _Echo:
    """A file that gives back what is written to it."""

    def write(self, line: str) -> str:
        return line


def _lines(rows: Iterable[Iterable[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    for row in rows:
        yield writer.writerow([safe_cell(cell) for cell in row])
