"""What the console asks of the ledger: what needs a hand, and what is newest. Bounded, whatever the size of the tables."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from django.contrib.admin import site
from django.db.models import prefetch_related_objects

from core.console.pages import HotTableAdmin
from credits.admin.limits import reached_lately, with_use
from credits.models import Grant, Hold, HoldStatus, LedgerEntry, SpendingLimit, Wallet
from credits.reconciliation import LATE_AFTER

_NEWEST_IDS: Final = 100
OPEN_LOOKED_AT: Final = 10_000
"""Open holds that are counted; an account's come together, so of more than these the oldest may not be among them."""
_LIMITS_LOOKED_AT: Final = 200


@dataclass(frozen=True)
class OpenHolds:
    """How many holds are open and what they keep aside, up to `OPEN_LOOKED_AT`; and some of the oldest, with their accounts."""

    count: int
    nanos: int
    oldest: list[Hold]

    @property
    def has_more(self) -> bool:
        """Whether there are more than were looked at."""
        return self.count > OPEN_LOOKED_AT


def wallet_of(account_id: int) -> Wallet | None:
    """The wallet as it was last booked; None where there is none yet."""
    return Wallet.objects.filter(pk=account_id).first()


def wallets_in_debt(limit: int) -> list[Wallet]:
    """Who owes most, with the account."""
    owing = Wallet.objects.filter(debt_nanos__gt=0).select_related("account")
    return list(owing.order_by("-debt_nanos")[:limit])


def wallets_overdue(now: datetime, limit: int) -> list[Wallet]:
    """Wallets whose next change should have been booked long ago, the oldest first, with the account."""
    due = Wallet.objects.filter(next_change_at__lt=now - LATE_AFTER).select_related("account")
    return list(due.order_by("next_change_at")[:limit])


def newest_entries(limit: int) -> list[LedgerEntry]:
    """The last movements of all accounts, with the account; at most as many as the last hundred ids hold."""
    page = site.get_model_admin(LedgerEntry)
    assert isinstance(page, HotTableAdmin)  # noqa: S101 - for the type
    newest = LedgerEntry.objects.filter(id__gt=page.newest_id() - _NEWEST_IDS).select_related("account")
    return list(newest.order_by("-id")[:limit])


def open_holds(limit: int) -> OpenHolds:
    """All open holds, in one look at the index of them."""
    rows: list[Any] = list(Hold.objects.raw(_OPEN_HOLDS, {"most": OPEN_LOOKED_AT + 1, "limit": limit}))
    prefetch_related_objects(rows, "account")
    return OpenHolds(rows[0].in_all, int(rows[0].nanos_in_all), rows) if rows else OpenHolds(0, 0, [])


def open_holds_of(account_id: int, limit: int) -> list[Hold]:
    """An account's open holds, those that end first."""
    found = Hold.objects.filter(account_id=account_id, status=HoldStatus.OPEN).select_related("api_key")
    return list(found.order_by("expires_at")[:limit])


def limits_reached(now: datetime, limit: int) -> list[Any]:
    """Limits that refuse holds at this moment, with `used_nanos` and `falls_at`: of those noted lately, and of the newest made."""
    noted = with_use(SpendingLimit.objects.filter(pk__in=reached_lately(now)[-_LIMITS_LOOKED_AT:]), now)
    newest = with_use(SpendingLimit.objects.order_by("-id")[:_LIMITS_LOOKED_AT], now)
    found: dict[int, Any] = {row.pk: row for rows in (noted, newest) for row in rows.select_related("account", "api_key")}
    return sorted((row for row in found.values() if row.used_nanos >= row.amount_nanos), key=lambda row: -row.pk)[:limit]


def newest_grants(account_id: int, limit: int) -> list[Grant]:
    """An account's newest lots of credits."""
    return list(Grant.objects.filter(account_id=account_id).order_by("-id")[:limit])


_OPEN_HOLDS: Final = """
WITH looked_at AS (SELECT * FROM hold WHERE status = 'open' ORDER BY account_id, expires_at LIMIT %(most)s)
SELECT *, count(*) OVER () AS in_all, sum(amount_nanos) OVER () AS nanos_in_all FROM looked_at ORDER BY opened_at, id LIMIT %(limit)s
"""
