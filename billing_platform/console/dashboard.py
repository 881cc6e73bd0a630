"""What an operator sees first: the work, then what goes on. Every query is bounded; no hot table is counted."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from django.db.models import Exists, OuterRef, Q, Sum
from django.http import HttpRequest
from django.urls import reverse

from billing_platform.console.verification_page import shown_result, where_it_is
from core import clock, verification_runs
from core.console.cards import Card, Row
from core.console.shown import account_link, amount, both, link, list_url, page_url, usd
from core.models import VerificationRun
from core.zones import utc_midnight
from credits.admin.limits import limited_plainly
from credits.admin.standing import unsealed_long, write_offs_behind
from credits.admin.work import OPEN_LOOKED_AT, limits_reached, newest_entries, open_holds, wallets_in_debt, wallets_overdue
from credits.services.revenue import folded_through
from payments.admin.comparing import came_money, owed_money
from payments.admin.shown import card_money, event_tag, order_link, orders_account
from payments.admin.work import bought_today, events_to_look_at, open_reviews, orders_pending_long
from usage.models import AiModel, EventStatus, PriceVersion, UsageQuarter
from usage.selectors import FOLDED_LATE, find_fold, uncounted_long
from usage.services.absorbed import absorbed_behind

SHOWN: Final = 6
LATEST: Final = 10
REVENUE_LATE: Final = timedelta(days=2)


@dataclass(frozen=True)
class Today:
    """All usage since midnight UTC as it is counted: what was booked in the last five minutes may be missing."""

    events: str
    failed: str
    charged: str


def add_work(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """Unfold's dashboard callback: the cards this operator may see."""
    now = clock.now()
    may = request.user.has_perm
    cards = [build(now) for permission, build in CARDS if may(permission)]
    today = usage_today(now) if may("usage.view_usagequarter") else None
    bought = purchases_today(now) if may("payments.view_order") else None
    analytics_url = reverse("admin:analytics") if may("usage.view_analytics") else ""
    shown = {"cards": cards, "analytics_url": analytics_url, "today": today, "bought": bought, "as_of": now, "since": utc_midnight(now)}
    return context | shown | {"title": "What needs a hand"}


def accounts_in_debt(_now: datetime) -> Card:
    """Who owes us, the largest debt first."""
    rows: list[Row] = [(account_link(row), amount(row.debt_nanos)) for row in wallets_in_debt(SHOWN + 1)]
    url = list_url("credits_wallet", "state=in_debt")
    return _card("Accounts in debt", url, ("Account", "Debt"), rows, "Nobody is in debt.")


def overdue_wallets(now: datetime) -> Card:
    """Wallets on which the sweeper stands still, or fails."""
    rows: list[Row] = [(account_link(row), row.next_change_at) for row in wallets_overdue(now, SHOWN + 1)]
    url = list_url("credits_wallet", "state=overdue")
    return _card("Wallets overdue", url, ("Account", "Was due"), rows, "Everything that was due is booked.")


def money_to_look_at(_now: datetime) -> Card:
    """Money that came and fitted nothing: somebody must decide."""
    rows: list[Row] = [
        (
            link(page_url("payments_paymentreview", row.pk), row.get_reason_display()),
            orders_account(row),
            owed_money(row),
            came_money(row),
            row.opened_at,
        )
        for row in open_reviews(SHOWN + 1)
    ]
    headings = ("Why", "Account", "Owed", "Came", "Since")
    url = list_url("payments_paymentreview", "state=open")
    return _card("Money to look at", url, headings, rows, "All money that came is credited.", is_wide=True)


def events_failed_or_stuck(now: datetime) -> Card:
    """Provider events that the workers cannot deal with, or do not take."""
    rows: list[Row] = [
        (link(page_url("payments_providerevent", row.pk), row.type), event_tag(row), row.received_at)
        for row in events_to_look_at(now, SHOWN + 1)
    ]
    url = list_url("payments_providerevent", "state=stuck")
    return _card("Events failed or stuck", url, ("Event", "Status", "Received"), rows, "Every event was dealt with.")


def orders_pending_over_an_hour(now: datetime) -> Card:
    """Most are of people who left the page; a customer who asks for credits may be among them."""
    rows: list[Row] = [
        (order_link(row), account_link(row), card_money(row.amount_minor, row.currency), row.expires_at)
        for row in orders_pending_long(now, SHOWN)
    ]
    headings = ("Order", "Account", "Amount", "Ends")
    return Card("Pending over an hour", list_url("payments_order", "state=pending_long"), headings, rows, "Nobody has left a page unpaid.")


def holds_open(_now: datetime) -> Card:
    """What is kept aside for calls under way; one that is hours old is rarely a call."""
    found = open_holds(SHOWN)
    rows: list[Row] = [
        (
            link(page_url("credits_hold", row.pk), row.public_id[:8]),
            account_link(row),
            amount(row.amount_nanos),
            row.opened_at,
            row.expires_at,
        )
        for row in found.oldest
    ]
    count = f"{'more than ' if found.has_more else ''}{min(found.count, OPEN_LOOKED_AT):,}"
    title = f"Open holds: {count}, keeping {usd(found.nanos)} aside; the oldest" if found.count else "Open holds"
    headings = ("Hold", "Account", "Kept aside", "Opened", "Ends")
    return Card(title, list_url("credits_hold", "state=open"), headings, rows, "No hold is open.", is_wide=True)


def reached_limits(now: datetime) -> Card:
    """Customers who are refused by a limit of their own, or of ours."""
    rows: list[Row] = [
        (link(page_url("credits_spendinglimit", row.pk), limited_plainly(row)), account_link(row), amount(row.amount_nanos), row.falls_at)
        for row in limits_reached(now, SHOWN)
    ]
    headings = ("Of", "Account", "Limit", "Falls by itself")
    return Card(
        "Limits reached now", list_url("credits_spendinglimit", "state=reached"), headings, rows, "No limit refuses anybody.", is_wide=True
    )


def price_drafts(_now: datetime) -> Card:
    """Prices that were written and not activated."""
    drafts = PriceVersion.objects.filter(activated_at=None).select_related("model").order_by("-id")[: SHOWN + 1]
    rows: list[Row] = [(link(page_url("usage_priceversion", row.pk), row.model), row.effective_at) for row in drafts]
    url = list_url("usage_priceversion", "state=draft")
    return _card("Price drafts", url, ("Model", "Meant from"), rows, "No draft waits for activation.")


def models_without_price(now: datetime) -> Card:
    """Models whose usage is refused for want of a price."""
    priced = PriceVersion.objects.filter(model=OuterRef("pk"), activated_at__isnull=False, effective_at__lte=now)
    models = AiModel.objects.filter(~Exists(priced)).order_by("-id")[: SHOWN + 1]
    rows: list[Row] = [(link(page_url("usage_aimodel", row.pk), row.code), row.provider) for row in models]
    url = list_url("usage_aimodel", "state=unpriced")
    return _card("Models without a price", url, ("Model", "Provider"), rows, "Every model has a price in force.")


def verification_of_the_books(now: datetime) -> Card:
    """The last result over all books, and whatever keeps the next one from coming."""
    health = verification_runs.health(now=now)
    rows: list[Row] = []
    if health.silent:
        rows.append((_run(health.silent, "No progress"), f"for ten minutes, at {where_it_is(health.silent)}", health.silent.progress_at))
    if health.is_stale:
        rows.append(("Overdue", "no result for 26 hours: is beat running, and a worker?", None))
    if health.running:
        rows.append((_run(health.running, "Running"), where_it_is(health.running), health.running.progress_at))
    if health.last:
        rows.append((_run(health.last, "Last result"), shown_result(health.last), health.last.finished_at))
    return Card("Verification of the books", list_url("core_verificationrun"), ("Run", "Result", "When"), rows, "", is_wide=True)


def standing_still(now: datetime) -> Card:
    """Jobs that nobody waits for, and nobody would miss before it is late: seals, what the house bears, and what reports are made of."""
    rows: list[Row] = [
        ("Sealing", account_link(row), f"entry {row.seq:,} is in no seal", row.created_at) for row in unsealed_long(now, SHOWN + 1)
    ]
    days = (("Absorbed usage", absorbed_behind(now=now)), ("Write-offs", write_offs_behind(now)))
    rows += [(job, "", "is not booked on the house", day) for job, day in days if day is not None]
    rows = [*reports_behind(now), *rows]
    headings = ("Job", "Account", "What", "Since")
    return _card("Standing still", list_url("credits_seal"), headings, rows, "Seals, the house and the reports keep up.", is_wide=True)


def reports_behind(now: datetime) -> list[Row]:
    """Roll-ups that their jobs have left behind, and accounts whose roll-ups contradict each other."""
    rows: list[Row] = []
    if since := uncounted_long(now):
        rows.append(("Counting usage", "", "is booked and not counted", since))
    fold, through = find_fold(), folded_through()
    if fold is not None and fold.counted_at < now - FOLDED_LATE:
        rows.append(("Usage of all accounts", "", "is folded up to then", fold.counted_at))
    if fold is not None and fold.differing:
        rows.append(("Usage of all accounts", "", f"{fold.differing:,} accounts' roll-ups differ: run rebuild_rollups", fold.counted_at))
    if through is not None and through < now.astimezone(UTC).date() - REVENUE_LATE:
        rows.append(("Revenue", "", "is folded through that day", through))
    return rows


def last_entries(_now: datetime) -> Card:
    """The newest movements of all accounts."""
    rows: list[Row] = [
        (
            row.created_at,
            account_link(row),
            row.get_kind_display(),
            amount(row.amount_nanos),
            amount(row.balance_after_nanos),
        )
        for row in newest_entries(LATEST)
    ]
    headings = ("Booked", "Account", "Kind", "Amount", "Balance after")
    url = list_url("credits_ledgerentry")
    return Card("Last entries", url, headings, rows, "Nothing was booked yet.", is_wide=True)


def usage_today(now: datetime) -> Today:
    """Sums of today's quarter-hours over all accounts."""
    since = utc_midnight(now)
    sums = UsageQuarter.objects.filter(starts_at__gte=since, starts_at__lt=since + timedelta(days=1)).aggregate(
        all_events=Sum("events", default=0),
        failed_events=Sum("events", filter=Q(status=EventStatus.FAILED), default=0),
        charged_nanos=Sum("cost_nanos", default=0),
    )
    return Today(f"{sums['all_events']:,}", f"{sums['failed_events']:,}", both(int(sums["charged_nanos"])))


def purchases_today(now: datetime) -> list[str]:
    """How many orders were paid since midnight UTC, and their sum in each currency."""
    return [f"{each.orders:,} for {card_money(each.amount_minor, each.currency)}" for each in bought_today(now)]


CARDS: Final[tuple[tuple[str, Callable[[datetime], Card]], ...]] = (
    ("payments.view_paymentreview", money_to_look_at),
    ("payments.view_providerevent", events_failed_or_stuck),
    ("payments.view_order", orders_pending_over_an_hour),
    ("core.view_verificationrun", verification_of_the_books),
    ("credits.view_seal", standing_still),
    ("credits.view_wallet", accounts_in_debt),
    ("credits.view_wallet", overdue_wallets),
    ("credits.view_hold", holds_open),
    ("credits.view_spendinglimit", reached_limits),
    ("usage.view_priceversion", price_drafts),
    ("usage.view_aimodel", models_without_price),
    ("credits.view_ledgerentry", last_entries),
)


def _run(run: VerificationRun, words: str) -> str:
    return link(page_url("core_verificationrun", run.pk), words)


def _card(title: str, url: str, headings: tuple[str, ...], rows: list[Row], nothing: str, *, is_wide: bool = False) -> Card:
    return Card(title, url, headings, rows[:SHOWN], nothing, is_work=True, is_wide=is_wide, has_more=len(rows) > SHOWN)
