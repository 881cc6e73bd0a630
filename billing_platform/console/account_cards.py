"""What an account's page shows beside its own fields: the wallet, and the newest of all that belongs to the account."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.http import HttpRequest

from accounts.selectors import list_api_keys, list_members
from billing_platform.console.account_forms import POLICY_WORDS
from core import clock
from core.console.cards import Card, Row
from core.console.pages import ACCOUNT_FILTER
from core.console.shown import EMPTY, amount, copyable, link, list_url, page_url, shortened
from core.models import AuditRecord, VerificationFinding
from credits.admin.limits import bar, window_words
from credits.admin.states import grant_state
from credits.admin.work import newest_grants, open_holds_of, wallet_of
from credits.selectors import list_entries
from credits.services.limits import list_limits
from credits.services.policies import Policy
from credits.services.wallets import WalletView, read_wallet
from payments.admin.shown import card_money, order_link, tag
from payments.admin.work import newest_orders
from payments.selectors import credit_nanos_of
from usage.admin.terms import factor
from usage.selectors import list_recent_events
from usage.services.multipliers import multipliers_of_account

LATEST: Final = 8
"""Rows of each kind on the page; the full lists are one press away."""


@dataclass(frozen=True)
class AccountPage:
    """What this operator may see of an account; no wallet where they may not view wallets."""

    wallet: WalletView | None
    cards: list[Card]
    in_doubt_since: datetime | None
    overrun: str = EMPTY

    @property
    def wallet_lines(self) -> list[tuple[str, object, bool]]:
        """The wallet's sums: a word, the amount, whether somebody should look at it."""
        wallet = self.wallet
        if wallet is None:
            return []
        doubt: list[tuple[str, object, bool]] = [("Books disagree since", self.in_doubt_since, True)] if self.in_doubt_since else []
        return [
            *doubt,
            ("Balance", amount(wallet.balance_nanos), wallet.balance_nanos < 0),
            ("Available", amount(wallet.available_nanos), False),
            ("Reserved", amount(wallet.reserved_nanos), False),
            ("Lapsing", amount(wallet.lapsing_nanos), False),
            ("Frozen", amount(wallet.frozen_nanos), wallet.frozen_nanos > 0),
            ("Debt", amount(wallet.debt_nanos), wallet.debt_nanos > 0),
            ("Spent in all", amount(wallet.spent_nanos), False),
            ("Entries", f"{wallet.entries:,}", False),
            ("A call beyond its hold is borne by", self.overrun, False),
        ]


def account_page(request: HttpRequest, account_id: int, *, now: datetime) -> AccountPage:
    """Gather the page by what this operator may view. Books what is due on the wallet first."""
    may = request.user.has_perm
    wallet = read_wallet(account_id=account_id, now=now) if may("credits.view_wallet") else None
    cards = [build(account_id) for permission, build in CARDS if may(permission)]
    row = wallet_of(account_id) if wallet else None
    if row is None:
        return AccountPage(wallet, cards, None)
    return AccountPage(wallet, cards, row.disagrees_since, POLICY_WORDS[Policy(row.policy)])


def latest_entries(account_id: int) -> Card:
    """The newest movements."""
    page = list_entries(account_id=account_id, kinds=None, entry_type=None, since=None, until=None, limit=LATEST, offset=0)
    rows: list[Row] = [
        (
            link(page_url("credits_ledgerentry", row.pk), row.seq),
            row.get_kind_display(),
            amount(row.amount_nanos),
            amount(row.balance_after_nanos),
            row.created_at,
        )
        for row in page.items
    ]
    headings = ("Entry", "Kind", "Amount", "Balance after", "Booked")
    return Card("Latest entries", _list("credits_ledgerentry", account_id), headings, rows, "No entry yet.", is_wide=True)


def latest_grants(account_id: int) -> Card:
    """The newest lots of credits."""
    rows: list[Row] = [
        (
            link(page_url("credits_grant", row.pk), row.get_kind_display()),
            row.category,
            amount(row.amount_nanos),
            amount(row.remaining_nanos),
            grant_state(row),
            row.expires_at or "never",
        )
        for row in newest_grants(account_id, LATEST)
    ]
    headings = ("Grant", "Category", "Amount", "Remaining", "State", "Ends")
    return Card("Latest grants", _list("credits_grant", account_id), headings, rows, "No grant yet.", is_wide=True)


def open_holds(account_id: int) -> Card:
    """What is kept aside now, for which key, and until when."""
    rows: list[Row] = [
        (
            link(page_url("credits_hold", row.pk), shortened(row.public_id)),
            amount(row.amount_nanos),
            row.api_key or EMPTY,
            row.opened_at,
            row.expires_at,
        )
        for row in open_holds_of(account_id, LATEST)
    ]
    headings = ("Hold", "Kept aside", "API key", "Opened", "Ends")
    url = list_url("credits_hold", f"{ACCOUNT_FILTER}={account_id}&state=open")
    return Card("Open holds, those that end first", url, headings, rows, "Nothing is kept aside.", is_wide=True)


def spending_limits(account_id: int) -> Card:
    """How much of each limit is used, and when that falls by itself."""
    views = list_limits(account_id=account_id, now=clock.now())
    names = {key.pk: str(key) for key in list_api_keys(account_id).filter(pk__in=[view.api_key_id for view in views if view.api_key_id])}
    rows: list[Row] = [
        (
            link(page_url("credits_spendinglimit", view.id), names.get(view.api_key_id or 0, "the whole account")),
            window_words(view.duration, view.strategy),
            amount(view.amount_nanos),
            amount(view.used_nanos),
            bar(view.used_nanos, view.amount_nanos),
            view.resets_at or EMPTY,
        )
        for view in views[:LATEST]
    ]
    headings = ("Of", "Window", "Limit", "Used", "Share", "Falls by itself")
    url = _list("credits_spendinglimit", account_id)
    return Card("Spending limits", url, headings, rows, "It may spend what it has.", is_wide=True)


def latest_orders(account_id: int) -> Card:
    """The newest purchases, paid or not."""
    rows: list[Row] = [
        (
            order_link(row),
            tag(row.status),
            card_money(row.amount_minor, row.currency),
            amount(credit_nanos_of(row)),
            row.failure_reason or row.failure_code or EMPTY,
            row.paid_at or "not paid",
            row.created_at,
        )
        for row in newest_orders(account_id, LATEST)
    ]
    headings = ("Order", "Status", "Amount", "Credits", "Last failure", "Paid", "Placed")
    return Card("Latest orders", _list("payments_order", account_id), headings, rows, "Nothing was ordered yet.", is_wide=True)


def latest_usage(account_id: int) -> Card:
    """The newest events."""
    found = list_recent_events(account_id=account_id, before=None, limit=LATEST)
    rows: list[Row] = [
        (
            copyable(row.event_id, shown=shortened(row.event_id)),
            row.model,
            row.status,
            f"{row.total_tokens:,}",
            amount(row.charged_nanos),
            link(page_url("usage_usageevent", row.pk), f"{row.occurred_at:%Y-%m-%d %H:%M:%S} UTC"),
        )
        for row in found.items
    ]
    headings = ("Event", "Model", "Status", "Tokens", "Charged", "Occurred")
    return Card("Latest usage", _list("usage_usageevent", account_id), headings, rows, "No usage yet.", is_wide=True)


def multipliers(account_id: int) -> Card:
    """What it pays of the prices: the most specific one applies, alone."""
    rows: list[Row] = [
        (
            link(page_url("usage_pricemultiplier", row.pk), f"× {factor(row.multiplier_bp)}"),
            row.model or "every model",
            "it alone" if row.account_id else f"its tier, {row.tier}",
            row.ends_at or "another takes its place",
        )
        for row in multipliers_of_account(account_id, clock.now())[:LATEST]
    ]
    headings = ("Pays of the price", "For", "Because it is agreed with", "Until")
    url = _list("usage_pricemultiplier", account_id)
    return Card("Multipliers in force", url, headings, rows, "It pays the prices as they stand.", is_wide=True)


def members(account_id: int) -> Card:
    """Who belongs to it."""
    rows: list[Row] = [
        (link(page_url("accounts_user", row.user_id), row.user), row.role, row.created_at) for row in list_members(account_id)[:LATEST]
    ]
    return Card("Members", _list("accounts_membership", account_id), ("Person", "Role", "Since"), rows, "Nobody.")


def api_keys(account_id: int) -> Card:
    """Its newest keys."""
    rows: list[Row] = [
        (
            link(page_url("accounts_apikey", row.pk), row.name),
            f"{row.prefix}…",
            ", ".join(row.scopes),
            row.revoked_at or "live",
        )
        for row in list_api_keys(account_id)[:LATEST]
    ]
    return Card("API keys", _list("accounts_apikey", account_id), ("Name", "Key", "Scopes", "Revoked"), rows, "No key.")


def operators_acts(account_id: int) -> Card:
    """What operators did to it, and why."""
    records = AuditRecord.objects.filter(account_id=account_id).select_related("actor").order_by("-id")[:LATEST]
    rows: list[Row] = [
        (link(page_url("core_auditrecord", row.pk), row.act), row.actor or "the server", row.reason, row.created_at) for row in records
    ]
    url = list_url("core_auditrecord", f"account_id={account_id}")
    return Card("What operators did", url, ("Act", "Operator", "Reason", "When"), rows, "Nothing.", is_wide=True)


def found_by_verification(account_id: int) -> Card:
    """What disagreed in its books, the newest first: also what is mended by now."""
    findings = VerificationFinding.objects.filter(account_id=account_id).select_related("run").order_by("-id")[:LATEST]
    rows: list[Row] = [
        (link(page_url("core_verificationrun", row.run_id), row.run.started_at), row.invariant, row.check_name, row.detail)
        for row in findings
    ]
    url = list_url("core_verificationfinding", f"account_id={account_id}")
    return Card("Found by verification", url, ("Run", "Invariant", "Check", "What"), rows, "Nothing ever disagreed.", is_wide=True)


CARDS: Final[tuple[tuple[str, Callable[[int], Card]], ...]] = (
    ("credits.view_ledgerentry", latest_entries),
    ("credits.view_hold", open_holds),
    ("credits.view_spendinglimit", spending_limits),
    ("credits.view_grant", latest_grants),
    ("payments.view_order", latest_orders),
    ("usage.view_usageevent", latest_usage),
    ("usage.view_pricemultiplier", multipliers),
    ("core.view_auditrecord", operators_acts),
    ("core.view_verificationfinding", found_by_verification),
    ("accounts.view_membership", members),
    ("accounts.view_apikey", api_keys),
)


def _list(app_and_model: str, account_id: int) -> str:
    return list_url(app_and_model, f"{ACCOUNT_FILTER}={account_id}")
