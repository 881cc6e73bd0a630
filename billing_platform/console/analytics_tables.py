"""The tables of the analytics page: what a person reads of them, and the same as a download."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice
from typing import Any, Final

from django.utils.html import format_html

from accounts.models import Account, ApiKey
from billing_platform.console.analytics_period import Period
from core.console.shown import EMPTY, link, page_url, percent, usd
from core.money import usd_text
from credits.selectors import revenue
from credits.selectors.revenue import Revenue
from usage.selectors import platform as usage
from usage.selectors.platform import Used

SHOWN: Final = 25
DOWNLOADED: Final = 100_000
"""So many rows a download has at most. One that was cut says so in its last row: whoever sums it must see that."""
_CHUNK: Final = 1_000
_USED: Final = ("Events", "Failed", "Tokens", "Charged", "Provider cost", "Margin", "Margin covers")
_REVENUE: Final = (
    *("Earned", "Paid", "Promotional", "Owed", "Settled, paid", "Settled, promo", "Given back", "Written off"),
    *("Breakage, paid", "Breakage, promo"),
)

TABLES: Final = {
    "day": "By day",
    "model": "By model",
    "account": "By account",
    "key": "By API key",
    "status": "By status",
    "revenue": "Revenue by day",
    "revenue-account": "Revenue by account",
}
"""By the name in an address: what each breaks down."""
BY_GROUP: Final = frozenset({"account", "key", "revenue-account"})
"""Those that sum the days of each account by itself."""


@dataclass(frozen=True)
class Table:
    """A breakdown. The first column names the group, all others are numbers."""

    name: str
    title: str
    headings: tuple[str, ...]
    rows: list[tuple[object, ...]]
    note: str = ""
    charged: tuple[tuple[str, int], ...] = ()
    """The plain names of its groups and what they were charged, in nanos: for a plot. The rest is not among them."""


def used_by_time(period: Period, days: dict[date | datetime, Used], absorbed: dict[date, int]) -> Table:
    """Every day, or hour, on which something was used; of days also what the house absorbed."""
    is_days = period.hours_since is None
    rows: list[tuple[object, ...]] = []
    for at in sorted({*days, *absorbed} if is_days else days, key=str, reverse=True):
        used = days.get(at, Used())
        if used.events or absorbed.get(at):
            rows.append((instant_words(at), *_used_cells(used), *((usd(absorbed.get(at, 0)),) if is_days else ())))
    title, name = ("By day", "Day") if is_days else ("By hour", "Hour")
    return Table("day", title, (f"{name} (UTC)", *_USED, *(("Absorbed",) if is_days else ())), rows)


def used_by(by: str, period: Period, account_id: int | None, all_used: Used) -> Table:
    """The groups that were charged most, and the rest as one."""
    groups = usage.top(by, period, account_id, SHOWN + 1)
    rest = len(groups) > SHOWN
    groups = groups[:SHOWN]
    words = _Words.of(by, [group.key for group in groups])
    rows: list[tuple[object, ...]] = [(words.linked(group.key), *_used_cells(group.used)) for group in groups]
    if rest:
        rows.append((f"All others, after the first {SHOWN}", *_used_cells(all_used.less([group.used for group in groups]))))
    is_wider = period.hours_since is not None and account_id is None and by in {"account", "key"}
    note = f"Accounts and keys are counted by whole UTC days: {period.since:%Y-%m-%d} and {period.until:%Y-%m-%d}." if is_wider else ""
    charged = tuple((words.short(group.key), group.used.charged) for group in groups)
    return Table(by, TABLES[by], (_HEADINGS[by], *_USED), rows, note, charged)


def revenue_by_day(days: dict[date, Revenue]) -> Table:
    """Every day with revenue, the newest first, and their sum."""
    rows: list[tuple[object, ...]] = [(day.isoformat(), *_revenue_cells(days[day])) for day in sorted(days, reverse=True)]
    if rows:
        rows.append(("In all", *_revenue_cells(revenue.total(days))))
    return Table("revenue", TABLES["revenue"], ("Day (UTC)", *_REVENUE), rows)


def revenue_by_account(period: Period, total: Revenue) -> Table:
    """The accounts that earned most, and the rest as one."""
    found = revenue.top_accounts(period.since, period.until, SHOWN + 1)
    shown = found[:SHOWN]
    words = _Words.of("account", [account_id for account_id, _ in shown])
    rows: list[tuple[object, ...]] = [(words.linked(account_id), *_revenue_cells(sums)) for account_id, sums in shown]
    if len(found) > SHOWN:
        rest = total
        for _, sums in shown:
            rest = rest.less(sums)
        rows.append((f"All others, after the first {SHOWN}", *_revenue_cells(rest)))
    return Table("revenue-account", TABLES["revenue-account"], ("Account", *_REVENUE), rows)


def download(name: str, period: Period, account_id: int | None, *, limit: int = DOWNLOADED) -> Iterator[tuple[object, ...]]:
    """
    A table's rows for a download, its headings first: exact dollars, whole ids. `name` is of TABLES.

    Where there are more than `limit` rows, one that says so stands in place of the rest.
    """
    yield _headings_csv(name, period)
    for number, row in enumerate(_rows_csv(name, period, account_id, limit + 1)):
        if number == limit:
            yield (f"cut after {limit:,} rows; narrow the period",)
            return
        yield row


def _headings_csv(name: str, period: Period) -> tuple[str, ...]:
    match name:
        case "day":
            return ("hour" if period.hours_since else "day", *_USED_CSV)
        case "revenue":
            return ("day", *_REVENUE_CSV)
        case "revenue-account":
            return ("account", "account_name", *_REVENUE_CSV)
        case _:
            return (*_NAMES_CSV[name], *_USED_CSV)


def _rows_csv(name: str, period: Period, account_id: int | None, limit: int) -> Iterator[tuple[object, ...]]:
    if name == "day":
        by_time = usage.by_time(period, account_id).items()
        yield from ((instant_words(at), *_used_numbers(used)) for at, used in by_time if used.events)
    elif name == "revenue":
        by_day = revenue.by_day(period.since, period.until, account_id).items()
        yield from ((day.isoformat(), *_revenue_numbers(sums)) for day, sums in by_day)
    elif name == "revenue-account":
        for chunk in _chunks(revenue.all_accounts(period.since, period.until, limit)):
            words = _Words.of("account", [account_id for account_id, _ in chunk])
            yield from ((*words.plain(account_id), *_revenue_numbers(sums)) for account_id, sums in chunk)
    else:
        for groups in _chunks(usage.every(name, period, account_id, limit)):
            words = _Words.of(name, [group.key for group in groups])
            yield from ((*words.plain(group.key), *_used_numbers(group.used)) for group in groups)


def instant_words(at: date | datetime) -> str:
    """A day or an hour, in UTC."""
    return f"{at:%Y-%m-%d %H:%M}" if isinstance(at, datetime) else at.isoformat()


@dataclass(frozen=True)
class _Words:
    """What groups are called: looked up at once for a page or a chunk of them."""

    by: str
    accounts: dict[int, Account]
    keys: dict[int, ApiKey]

    @classmethod
    def of(cls, by: str, found: list[Any]) -> "_Words":
        key_ids = [key_id for key_id, _ in found if key_id] if by == "key" else []
        account_ids = [pk for _, pk in found] if by == "key" else found if by == "account" else []
        accounts = Account.objects.in_bulk(account_ids) if account_ids else {}
        return cls(by, accounts, ApiKey.objects.in_bulk(key_ids) if key_ids else {})

    def linked(self, key: Any) -> object:  # noqa: ANN401 - see Group
        if self.by == "account":
            return self._account(key)
        if self.by != "key":
            return key
        key_id, account_id = key
        named = link(page_url("accounts_apikey", key_id), self.keys[key_id].name or key_id) if key_id in self.keys else "no key"
        return _beside(named, self._account(account_id))

    def plain(self, key: Any) -> tuple[object, ...]:  # noqa: ANN401 - see Group
        if self.by == "account":
            return self._account_plain(key)
        if self.by != "key":
            return (key,)
        key_id, account_id = key
        return (key_id or "", self.keys[key_id].name if key_id in self.keys else "", *self._account_plain(account_id))

    def short(self, key: Any) -> str:  # noqa: ANN401 - see Group
        """For an axis."""
        if self.by == "account":
            return str(self.accounts.get(key, f"account {key}"))
        if self.by != "key":
            return str(key)
        key_id, account_id = key
        return f"{(self.keys[key_id].name or key_id) if key_id in self.keys else 'no key'} of {self.accounts.get(account_id, account_id)}"

    def _account(self, pk: int) -> object:
        return link(page_url("accounts_account", pk), self.accounts[pk]) if pk in self.accounts else f"account {pk}"

    def _account_plain(self, pk: int) -> tuple[object, ...]:
        account = self.accounts.get(pk)
        return (account.public_id, account.name) if account else (f"account {pk}", "")


_HEADINGS: Final = {"model": "Model", "account": "Account", "key": "API key", "status": "Status"}
_NAMES_CSV: Final = {
    "model": ("model",),
    "account": ("account", "account_name"),
    "key": ("api_key_id", "api_key_name", "account", "account_name"),
    "status": ("status",),
}
_USED_CSV: Final = ("events", "failed", "tokens", "charged_usd", "provider_cost_usd", "margin_usd", "costed_usd")
_REVENUE_CSV: Final = (
    *("paid_usd", "promo_usd", "owed_usd", "settled_paid_usd", "settled_promo_usd", "written_off_usd", "returned_paid_usd"),
    *("returned_promo_usd", "returned_owed_usd", "breakage_paid_usd", "breakage_promo_usd", "earned_usd"),
)


def _used_cells(used: Used) -> tuple[object, ...]:
    known = used.costed or used.provider_cost
    failed = f"{used.failed:,} ({percent(used.failed, used.events)})" if used.failed else "0"
    cost, margin = (usd(used.provider_cost), usd(used.margin)) if known else (EMPTY, EMPTY)
    money = (usd(used.charged), cost, margin, percent(used.costed, used.charged) or EMPTY)
    return (f"{used.events:,}", failed, f"{used.tokens:,}", *money)


def _used_numbers(used: Used) -> tuple[object, ...]:
    money = (used.charged, used.provider_cost, used.margin, used.costed)
    return (used.events, used.failed, used.tokens, *(usd_text(nanos) for nanos in money))


def _revenue_cells(sums: Revenue) -> tuple[object, ...]:
    returned = sums.returned_paid + sums.returned_promo + sums.returned_owed
    first = (sums.earned, sums.paid, sums.promo, sums.owed, sums.settled_paid, sums.settled_promo, returned, sums.written_off)
    return tuple(usd(nanos) for nanos in (*first, sums.breakage_paid, sums.breakage_promo))


def _revenue_numbers(sums: Revenue) -> tuple[object, ...]:
    first = (sums.paid, sums.promo, sums.owed, sums.settled_paid, sums.settled_promo, sums.written_off)
    rest = (sums.returned_paid, sums.returned_promo, sums.returned_owed, sums.breakage_paid, sums.breakage_promo, sums.earned)
    return tuple(usd_text(nanos) for nanos in (*first, *rest))


def _beside(first: object, second: object) -> object:
    return format_html("{} of {}", first, second)


def _chunks(found: Iterable[Any]) -> Iterator[list[Any]]:
    rows = iter(found)
    while chunk := list(islice(rows, _CHUNK)):
        yield chunk
