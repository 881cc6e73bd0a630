"""An account's statistics of usage, and the whole account at a glance."""

from dataclasses import dataclass
from datetime import datetime

from accounts.selectors import Account, User
from billing_platform.overview.credit import CreditStanding, read_standing
from core.api.bounds import Bounds
from usage.selectors import CallStats, Period
from usage.services.reports import report_calls, report_overview


@dataclass(frozen=True)
class UsageStats:
    """What was used in a period of the account's zone, or from when to when was asked for."""

    period: Period
    calls: CallStats


@dataclass(frozen=True)
class AccountSummary:
    """An account at one moment, as the person sees it who asks; `total_requests_all_time` counts its calls since it was opened."""

    person: User
    account: Account
    credit_balance: CreditStanding
    usage_this_month: UsageStats
    total_requests_all_time: int
    subscription: None = None


def read_usage_stats(*, account: Account, period: Period, bounds: Bounds, now: datetime) -> UsageStats:
    """
    The account's usage from the beginning of the period up to now, or as `bounds` say. From roll-ups.

    Raises InvalidInput: `invalid_range`, `out_of_range` (more than 366 days).
    """
    return UsageStats(period, report_calls(account=account, period=period, since=bounds.since, until=bounds.until, now=now))


def read_summary(*, account: Account, person: User, now: datetime) -> AccountSummary:
    """The account at a glance; what is due is booked first."""
    usage = report_overview(account=account, now=now)
    return AccountSummary(
        person=person,
        account=account,
        credit_balance=read_standing(account_id=account.pk, now=now),
        usage_this_month=UsageStats(Period.MONTHLY, usage.this_month),
        total_requests_all_time=usage.calls_ever,
    )
