"""An account's statistics of usage, and the whole account at a glance."""

from dataclasses import dataclass
from datetime import datetime

from accounts.selectors import Account, User, zone_at
from billing_platform.overview.credit import CreditStanding, read_standing
from core.api.bounds import Bounds
from usage.selectors import CallStats, Period, find_lifetime, read_call_stats, stats_coverage
from usage.services.counting import count_account


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
    coverage = stats_coverage(zone=zone_at(account, now), period=period, since=bounds.since, until=bounds.until, now=now)
    count_account(account.pk)
    return UsageStats(period, read_call_stats(account_id=account.pk, coverage=coverage))


def read_summary(*, account: Account, person: User, now: datetime) -> AccountSummary:
    """The account at a glance; what is due is booked first."""
    count_account(account.pk)
    lifetime = find_lifetime(account.pk)
    return AccountSummary(
        person=person,
        account=account,
        credit_balance=read_standing(account_id=account.pk, now=now),
        usage_this_month=read_usage_stats(account=account, period=Period.MONTHLY, bounds=Bounds(None, None), now=now),
        total_requests_all_time=0 if lifetime is None else lifetime.events,
    )
