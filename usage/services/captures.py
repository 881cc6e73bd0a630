"""
One event by itself: the capture of a hold, which is the usage event. One round trip where nothing is special.

The first wins: the same event again gets the same answer, another one is refused. What one statement cannot judge (something is
due, grants are lapsing) goes the way of a batch, with one event in it.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal, NoReturn

import msgspec
from django.db import connection, transaction

from core.errors import Conflict, InvalidInput, InvariantViolation
from core.money import AMOUNT_MAX_NANOS, usd_text
from credits.errors import HoldAlreadyCaptured, HoldNotFound, HoldVoided
from credits.services.holds import Remaining
from credits.services.wallets import read_wallet
from usage.selectors import UsageEvent, get_event
from usage.services.admission import account_named
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.events import (
    DollarText,
    Endpoint,
    Flat,
    Instant,
    ModelCode,
    PrintableId,
    PublicId,
    Quantity,
    ReportedEvent,
    metadata_text,
    tidy,
)
from usage.services.ingest import post_events
from usage.services.price_book import PRICE_BOOK
from usage.services.staging import Placed, Reference, place_event, stage_event

_CHARGE_ONE: Final = f"SELECT * FROM usage_charge_one({', '.join(['%s'] * 24)})"  # noqa: S608 - nothing of a request is in it


class CaptureRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """
    The settlement of a hold: a usage event. Either the tokens, or `amount` in exact dollars where another meter priced the call.

    Everything else is as in a reported event.
    """

    account: PublicId
    event_id: PrintableId
    model: ModelCode
    amount: DollarText | None = None
    status: Literal["success", "failed"] = "success"
    api_key: PublicId | None = None
    input_tokens: Quantity = 0
    output_tokens: Quantity = 0
    cache_read_tokens: Quantity = 0
    cache_write_tokens: Quantity = 0
    reasoning_tokens: Quantity = 0
    requests: Quantity = 1
    images: Quantity = 0
    seconds: Quantity = 0
    occurred_at: Instant | None = None
    endpoint: Endpoint = ""
    metadata: dict[str, Flat] | None = None


class CaptureAnswer(msgspec.Struct, frozen=True):
    """
    What the capture came to: cost = charged + absorbed. `flag`: `late` where the hold had expired, so that the event was booked without
    it; null where it was captured.
    """

    hold: str
    status: str
    event_id: str
    account: str
    cost_nanos: str
    cost_usd: str
    charged_nanos: str
    charged_usd: str
    absorbed_nanos: str
    absorbed_usd: str
    flag: str | None


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
    outcome, charged, flag, available, reserved = _charge(event, placed, now)
    if outcome == "charged":
        return Captured(charged, placed.cost_nanos - charged, flag, is_repeat=False, remaining=Remaining(max(0, available), reserved))
    if outcome == "by_hand":
        _charge_by_hand(event, known, now)
        return _stored(account.id, event, placed, now, is_repeat=False)
    if outcome == "known":
        return _stored(account.id, event, placed, now, is_repeat=True)
    return _refuse(outcome)


def capture_answer(asked: CaptureRequest, hold: str, captured: Captured) -> CaptureAnswer:
    """The capture as its sender hears of it."""
    cost = captured.charged_nanos + captured.absorbed_nanos
    return CaptureAnswer(
        hold=hold,
        status="captured" if captured.flag is None else "expired",
        event_id=asked.event_id,
        account=asked.account,
        cost_nanos=str(cost),
        cost_usd=usd_text(cost),
        charged_nanos=str(captured.charged_nanos),
        charged_usd=usd_text(captured.charged_nanos),
        absorbed_nanos=str(captured.absorbed_nanos),
        absorbed_usd=usd_text(captured.absorbed_nanos),
        flag=captured.flag,
    )


def _event(asked: CaptureRequest, hold: str) -> ReportedEvent:
    """A capture is the event that names its hold: reported either way it is the same one."""
    said = {name: getattr(asked, name) for name in asked.__struct_fields__ if name != "amount"}
    return tidy(ReportedEvent(hold=hold, cost=asked.amount, **said))


def _charge(event: ReportedEvent, placed: Placed, now: datetime) -> tuple[str, int, str | None, int, int]:
    values = (
        *(placed.account_id, event.event_id, placed.fingerprint, placed.api_key_id, placed.model_id, placed.version_id, event.status),
        *(event.input_tokens, event.output_tokens, event.cache_read_tokens, event.cache_write_tokens, event.reasoning_tokens),
        *(event.requests, event.images, event.seconds, placed.cost_nanos, event.endpoint, metadata_text(event.metadata)),
        *(placed.local_date, event.hold, placed.occurred_at, True, now, AMOUNT_MAX_NANOS),
    )
    with connection.cursor() as cursor:
        cursor.execute(_CHARGE_ONE, values)
        row: tuple[str, int, str | None, int, int] | None = cursor.fetchone()
    if row is None:
        raise InvariantViolation("a function that returns one row returned none")
    return row


def _charge_by_hand(event: ReportedEvent, known: Reference, now: datetime) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            _, refused = post_events(cursor, [stage_event(0, event, known)], now=now)
        if refused:
            _refuse(refused[0])
        account = known.accounts[event.account]
        stored = get_event(account_id=account.id, event_id=event.event_id)
        if stored.flag == "after_void":
            _refuse("hold_voided")


def _stored(account_id: int, event: ReportedEvent, placed: Placed, now: datetime, *, is_repeat: bool) -> Captured:
    stored: UsageEvent = get_event(account_id=account_id, event_id=event.event_id)
    if stored.fingerprint.hex != placed.fingerprint:
        raise Conflict("This event_id is known with other content; an event is never rewritten.", code="event_id_conflict")
    wallet = read_wallet(account_id=account_id, now=now)
    left = Remaining(wallet.available_nanos, wallet.reserved_nanos)
    return Captured(stored.charged_nanos, stored.absorbed_nanos, stored.flag, is_repeat=is_repeat, remaining=left)


def _refuse(code: str) -> NoReturn:
    if code == "unknown_hold":
        raise HoldNotFound("The account has no such hold; report the usage as an event without it.")
    if code == "hold_voided":
        raise HoldVoided("This hold was voided; report the usage as an event without it.")
    if code == "hold_already_captured":
        raise HoldAlreadyCaptured("Another event has captured this hold; if it was a second call, report it as an event without it.")
    raise InvalidInput("This account has spent all that can be counted.", code="spent_out_of_range")
