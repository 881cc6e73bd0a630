"""What a batch hands to the ledger, and the rows that it writes at speed, packed for COPY."""

from collections.abc import Iterable
from datetime import datetime
from struct import Struct
from typing import Final

import msgspec

from core.binary_copy import NULL, bigint, micros, text


class EventCharge(msgspec.Struct, gc=False):
    """
    One new usage event of a batch, as the ledger sees it. `occurred_micros` counts from 2000-01-01 UTC. `hold`: the public id of the hold
    it names. The ledger may lower `nanos`, where the operator absorbs a part, and fill in `api_key_id`, where its hold has one.
    """

    position: int
    account_id: int
    event_id: str
    nanos: int
    occurred_micros: int
    api_key_id: int | None
    hold: str | None


class WalletBefore(msgspec.Struct, frozen=True, gc=False):
    """
    A wallet under its lock, before the batch. `ahead`: its clock, where that is later than now. `bound_nanos`: what it has spent, and what
    its grants hold, which is spent one day too.
    """

    account_id: int
    balance_nanos: int
    spent_nanos: int
    next_seq: int
    ahead: datetime | None
    bound_nanos: int
    is_due: bool
    lapses: bool
    has_limits: bool
    absorbs: bool


ENTRY_COLUMNS: Final = (
    "account_id, seq, amount_nanos, balance_after_nanos, spent_after_nanos, occurred_at, created_at, kind, book, source_type, description,"
    " reference, api_key_id, source_id"
)
CHARGE_COLUMNS: Final = "position, account_id, charged_nanos, occurred_at, event_id, api_key_id, hold"

_ENTRY: Final = Struct("!hiqiqiqiqiqiqiq").pack
_USAGE: Final = text("usage") + text("usage") + text("usage_event") + text("") + text("")
_CHARGE: Final = Struct("!hiiiqiqiq").pack


def entry_rows(wallet: WalletBefore, charges: Iterable[EventCharge], *, now: datetime) -> list[bytes]:
    """One entry per charge above 0, in order: `seq` without a gap, the balance and the spent positions as they run. `ENTRY_COLUMNS`."""
    account_id, seq, balance, spent = wallet.account_id, wallet.next_seq, wallet.balance_nanos, wallet.spent_nanos
    booked = micros(wallet.ahead or now)
    rows = []
    for charge in charges:
        nanos = charge.nanos
        if nanos:
            balance -= nanos
            spent += nanos
            fixed = _ENTRY(
                14, 8, account_id, 8, seq, 8, -nanos, 8, balance, 8, spent, 8, charge.occurred_micros, 8, booked
            )  # fmt: skip
            key = NULL if charge.api_key_id is None else bigint(charge.api_key_id)
            rows.append(fixed + _USAGE + key + text(charge.event_id))
            seq += 1
    return rows


def charge_row(charge: EventCharge) -> bytes:
    """A row of `fresh_charge`. `CHARGE_COLUMNS`."""
    fixed = _CHARGE(7, 4, charge.position, 8, charge.account_id, 8, charge.nanos, 8, charge.occurred_micros)
    return fixed + text(charge.event_id) + bigint(charge.api_key_id) + text(charge.hold)
