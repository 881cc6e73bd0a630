"""
One event by itself: the capture of a hold, which is the usage event. One round trip where nothing is special.

The first wins: the same event again gets the same answer, another one is refused. What one statement cannot judge (something is
due, grants are lapsing) goes the way of a batch, with one event in it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import connection, transaction

from core.errors import BillingError, Conflict, InvalidInput, InvariantViolation
from credits.errors import HoldAlreadyCaptured, HoldNotFound, HoldVoided
from credits.services.batches import OVERFLOW
from credits.services.holds import Remaining, facts_of
from credits.services.wallets import read_wallet
from usage.models import EventFlag
from usage.selectors import UsageEvent, get_event
from usage.services.admission import account_named
from usage.services.charging import charge_one
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.events import Call, DollarText, ReportedEvent, tidy
from usage.services.ingest import REFUSALS, post_events
from usage.services.price_book import PRICE_BOOK
from usage.services.staging import Placed, Reference, place_event, stage_event


class CaptureRequest(Call, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    The settlement of a hold: a usage event. Either what was used, or `amount` in exact dollars where another meter priced the call.

    Everything else is as in a reported event.
    """

    amount: DollarText | None = None


@dataclass(frozen=True, slots=True)
class Captured:
    """What a capture charged and absorbed, in nanos; whether it was known before; what the account has left."""

    charged_nanos: int
    absorbed_nanos: int
    flag: str | None
    is_repeat: bool
    remaining: Remaining


def capture(asked: CaptureRequest, *, hold: str, now: datetime) -> Captured:
    """
    Settle a hold by one usage event. The same event again changes nothing and has the same answer.

    Raises NotFound, HoldNotFound, HoldVoided, HoldAlreadyCaptured (by another event), Conflict `event_id_conflict`, and what is wrong with
    the event (`place_event`).
    """
    account = account_named(asked.account, now=now)
    event = _event(asked, hold)
    known = Reference(
        now=now,
        book=PRICE_BOOK.current(now),
        accounts=ACCOUNTS.resolve({asked.account}, now),
        keys=KEYS.resolve(set() if asked.api_key is None else {asked.api_key}, now),
    )
    placed = place_event(event, known)
    outcome, charged, flag, available, reserved = charge_one(event, placed, now=now)
    if outcome == "charged":
        return Captured(charged, placed.rated.cost_nanos - charged, flag, is_repeat=False, remaining=Remaining(max(0, available), reserved))
    if outcome == "by_hand":
        _charge_by_hand(event, known, now)
        return _stored(account.id, event, placed, now, is_repeat=False)
    if outcome == "known":
        return _stored(account.id, event, placed, now, is_repeat=True)
    raise _refusal(outcome, Remaining(max(0, available), reserved))


def _event(asked: CaptureRequest, hold: str) -> ReportedEvent:
    """A capture is the event that names its hold: reported either way it is the same one."""
    said = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "amount"}
    return tidy(ReportedEvent(hold=hold, cost=asked.amount, **said))


def _charge_by_hand(event: ReportedEvent, known: Reference, now: datetime) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            _, refused = post_events(cursor, [stage_event(0, event, known)], now=now)
        if refused:
            raise _refusal(refused[0], _left(known.accounts[event.account].id, now))
        _check_not_voided(known.accounts[event.account].id, event, now)


def _stored(account_id: int, event: ReportedEvent, placed: Placed, now: datetime, *, is_repeat: bool) -> Captured:
    left = _left(account_id, now)
    stored = _check_not_voided(account_id, event, now)
    if stored.fingerprint.bytes != placed.fingerprint:
        message = "This event_id is known with other content; an event is never rewritten."
        raise Conflict(message, code="event_id_conflict", **facts_of(left))
    return Captured(stored.charged_nanos, stored.absorbed_nanos, stored.flag, is_repeat=is_repeat, remaining=left)


def _check_not_voided(account_id: int, event: ReportedEvent, now: datetime) -> UsageEvent:
    """The stored event. Usage that came after a void is booked as an event, and no capture of the hold. Raises HoldVoided."""
    stored = get_event(account_id=account_id, event_id=event.event_id)
    if stored.flag == EventFlag.AFTER_VOID:
        raise _refusal("hold_voided", _left(account_id, now))
    return stored


def _left(account_id: int, now: datetime) -> Remaining:
    wallet = read_wallet(account_id=account_id, now=now)
    return Remaining(wallet.available_nanos, wallet.reserved_nanos)


def _refusal(code: str, left: Remaining) -> BillingError:
    if code == OVERFLOW:
        return InvalidInput(REFUSALS[OVERFLOW], code="spent_out_of_range")
    kind = _KINDS.get(code)
    if kind is None:
        msg = f"a capture was refused as {code!r}"
        raise InvariantViolation(msg)
    return kind(_VOIDED if kind is HoldVoided else REFUSALS[code], **facts_of(left))


_VOIDED: Final = "This hold was voided; report the usage as an event."
_KINDS: Final[dict[str, type[BillingError]]] = {
    "unknown_hold": HoldNotFound,
    "hold_voided": HoldVoided,
    "hold_already_captured": HoldAlreadyCaptured,
}
