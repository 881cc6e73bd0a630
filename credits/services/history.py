"""What an account had, now or at any instant before."""

from dataclasses import dataclass
from datetime import datetime

from core.errors import InvalidInput
from credits import statements
from credits.services.wallets import WalletView, read_wallet


@dataclass(frozen=True, slots=True)
class Balance:
    """An account's credits at `at`, in nanos. `wallet` has the rest, which is known of the present only; None for the past."""

    at: datetime
    balance_nanos: int
    spent_nanos: int
    wallet: WalletView | None


def read_balance(*, account_id: int, at: datetime | None, now: datetime) -> Balance:
    """
    The balance as it was booked at `at`, or is now. What was due by then is booked first.

    Raises InvalidInput `in_the_future`.
    """
    if at is not None and at > now:
        raise InvalidInput("That instant is still to come; leave `at` out for the present.", code="in_the_future", field="at")
    wallet = read_wallet(account_id=account_id, now=at or now)
    if at is None:
        return Balance(now, wallet.balance_nanos, wallet.spent_nanos, wallet)
    balance, spent = statements.balance_at(account_id=account_id, at=at)
    return Balance(at, balance, spent, None)
