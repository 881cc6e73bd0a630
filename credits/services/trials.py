"""What an operator's act does to a wallet: tried and taken back to be shown before, or done; measured alike."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, TypeVar

from django.db import transaction

from credits.services.posting import open_one
from credits.services.wallets import WalletView, read_wallet

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Effect(Generic[ResultT]):
    """The wallet before and after, with what was due booked before; and what the act returned."""

    before: WalletView
    after: WalletView
    result: ResultT


def do(act: Callable[[], ResultT], *, account_id: int, now: datetime) -> Effect[ResultT]:
    """Do it, under the wallet's lock, so that nothing else lies between before and after. Raises what `act` raises."""
    with transaction.atomic():
        return _measured(act, account_id, now)


def try_out(act: Callable[[], ResultT], *, account_id: int, now: datetime) -> Effect[ResultT]:
    """
    Do it and roll it back: what would come of it now, by the very code that will do it. Raises what `act` raises.

    Nothing stays, neither rows nor the audit trail's; `act` must do nothing outside of the database.
    """
    with transaction.atomic():
        effect = _measured(act, account_id, now)
        transaction.set_rollback(True)
    return effect


def _measured(act: Callable[[], ResultT], account_id: int, now: datetime) -> Effect[ResultT]:
    open_one(account_id, now=now)
    before = read_wallet(account_id=account_id, now=now)
    result = act()
    return Effect(before, read_wallet(account_id=account_id, now=now), result)
