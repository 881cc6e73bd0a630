"""Admission: credits kept aside for a call before it is made, decided under the wallet's lock."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, NoReturn

from django.db import connection, transaction

from core import ids
from core.audit import record_act
from core.errors import InvalidInput, InvariantViolation, NotFound, Unaffordable, Unavailable
from core.money import AMOUNT_MAX_NANOS, usd_text
from credits.books import Reservation
from credits.errors import (
    AccountFrozen,
    ApiKeyRevoked,
    HeldByOtherRequests,
    HoldAlreadyCaptured,
    HoldKeyReused,
    HoldNotFound,
    SpendingLimitReached,
)
from credits.models import HOLD_LONGEST, Hold, HoldStatus
from credits.services.posting import open_one, write_books
from credits.services.wallets import book_due_changes, ensure_wallets

__all__ = ("HOLD_LONGEST", "HoldView", "Remaining", "get_hold", "open_hold", "void_hold")

_TRIES: Final = 5
_RETRY_AT_MOST: Final = 60
_MICROSECOND: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Remaining:
    """What an account has left after an act, in nanos; `available_nanos` is never below 0."""

    available_nanos: int
    reserved_nanos: int


@dataclass(frozen=True, slots=True)
class HoldView:
    """A hold as it stands. Amounts in nanos; `event_id` is the usage event that captured it."""

    public_id: str
    hold_key: str | None
    api_key_id: int | None
    amount_nanos: int
    status: str
    event_id: str | None
    opened_at: datetime
    expires_at: datetime
    closed_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Answer:
    """What `ledger_open_hold` answers, column by column (credits/sql/hold_functions.sql)."""

    outcome: str
    public_id: str
    hold_key: str | None
    api_key_id: int | None
    amount_nanos: int
    status: str
    event_id: str | None
    opened_at: datetime
    expires_at: datetime
    closed_at: datetime | None
    available_nanos: int
    reserved_nanos: int
    limit_id: int | None
    limit_of_key: bool | None
    resets_at: datetime | None
    decided_at: datetime
    frees_at: datetime | None


def open_hold(
    *, account_id: int, amount_nanos: int, lasts: timedelta, now: datetime, api_key_id: int | None = None, hold_key: str | None = None
) -> tuple[HoldView, Remaining]:
    """
    Keep `amount_nanos` (above 0) aside for `lasts` (a second to 24 hours). The same `hold_key` again returns the first hold as it stands.

    Raises InvalidInput (out of range), NotFound `account_not_found`, AccountFrozen, ApiKeyRevoked, HoldKeyReused, Unaffordable (gone),
    HeldByOtherRequests, SpendingLimitReached.
    """
    if not 0 < amount_nanos <= AMOUNT_MAX_NANOS:
        raise InvalidInput("A hold must keep more than 0, and no more than a wallet can count.", code="amount_out_of_range", field="amount")
    if not timedelta() < lasts <= HOLD_LONGEST:
        raise InvalidInput("A hold lasts from 1 second to 24 hours.", field="expires_in")
    for _ in range(_TRIES):
        answer = _ask(account_id, amount_nanos, lasts, api_key_id, hold_key, now)
        if answer.outcome == "due":
            book_due_changes(account_ids=[account_id], now=now)
        elif answer.outcome == "no_wallet":
            ensure_wallets([account_id], now=now)
        elif answer.outcome in {"opened", "known"}:
            return _view(answer), _remaining(answer)
        else:
            _refuse(answer)
    raise Unavailable("Too much becomes due on this account at once; nothing moved, send it again.", code="busy", retry_after=1)


def void_hold(
    *, account_id: int, public_id: str, now: datetime, actor_id: int | None = None, reason: str = ""
) -> tuple[HoldView, Remaining]:
    """
    Free what a hold keeps aside. One that was voided or has expired stays as it is, and is answered. `reason` (an operator's) leaves an
    audit row.

    Raises HoldNotFound, HoldAlreadyCaptured.
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        hold = _find(account_id, public_id)
        if hold.status == HoldStatus.CAPTURED:
            raise HoldAlreadyCaptured("This hold was captured; give the usage back instead.", event_id=hold.event_id)
        before = books.balance - books.reserved - books.frozen - books.lapsing
        if hold.status == HoldStatus.OPEN:
            books.close(_reservation(hold), HoldStatus.VOIDED)
            write_books([books])
            hold.refresh_from_db()
        available = books.balance - books.reserved - books.frozen - books.lapsing
        if reason:
            record_act(
                actor_id=actor_id,
                act="void_hold",
                object_type="hold",
                object_id=public_id,
                account_id=account_id,
                reason=reason,
                before={"available_usd": usd_text(before)},
                after={"available_usd": usd_text(available), "status": hold.status},
                now=books.clock_at,
            )
    return _view_of(hold), Remaining(max(0, available), books.reserved)


def get_hold(*, account_id: int, public_id: str) -> HoldView:
    """One hold as it was last booked. Raises HoldNotFound."""
    return _view_of(_find(account_id, public_id))


def _find(account_id: int, public_id: str) -> Hold:
    hold = Hold.objects.filter(account_id=account_id, public_id=public_id).first() if "\0" not in public_id else None
    if hold is None:
        raise HoldNotFound("The account has no such hold.")
    return hold


def _view_of(hold: Hold) -> HoldView:
    """A stored hold as callers see it."""
    return HoldView(
        hold.public_id,
        hold.hold_key,
        hold.api_key_id,
        hold.amount_nanos,
        hold.status,
        hold.event_id,
        hold.opened_at,
        hold.expires_at,
        hold.closed_at,
    )


def _ask(account_id: int, amount: int, lasts: timedelta, api_key_id: int | None, hold_key: str | None, now: datetime) -> _Answer:  # noqa: PLR0917
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT * FROM ledger_open_hold(%s, %s, %s, %s, %s, %s * interval '1 microsecond', %s)",
            (account_id, ids.new_public_id(), hold_key, api_key_id, amount, lasts // _MICROSECOND, now),
        )
        row = cursor.fetchone()
    if row is None:
        raise InvariantViolation("a function that returns one row returned none")
    return _Answer(*row)


def _view(answer: _Answer) -> HoldView:
    return HoldView(
        answer.public_id,
        answer.hold_key,
        answer.api_key_id,
        answer.amount_nanos,
        answer.status,
        answer.event_id,
        answer.opened_at,
        answer.expires_at,
        answer.closed_at,
    )


def _remaining(answer: _Answer) -> Remaining:
    return Remaining(max(0, answer.available_nanos), answer.reserved_nanos)


def _reservation(hold: Hold) -> Reservation:
    return Reservation(hold.public_id, hold.amount_nanos, hold.opened_at, hold.expires_at, hold.api_key_id)


def _refuse(answer: _Answer) -> NoReturn:
    left = {"available": usd_text(max(0, answer.available_nanos)), "held": usd_text(answer.reserved_nanos)}
    if answer.outcome == "insufficient_credits":
        raise Unaffordable("The account's credits are gone; it must buy more before this call.", **left)
    if answer.outcome == "held_by_other_requests":
        message = "The account has credits, and other open holds keep them; try again when one of them ends."
        raise HeldByOtherRequests(message, **left, retry_after=min(_RETRY_AT_MOST, _seconds_until(answer.frees_at, answer.decided_at)))
    if answer.outcome == "spending_limit_reached":
        raise SpendingLimitReached(
            f"The spending limit of the {'API key' if answer.limit_of_key else 'account'} would be passed.",
            **left,
            limit_id=f"limit_{answer.limit_id}",
            resets_at=answer.resets_at,
            retry_after=_seconds_until(answer.resets_at, answer.decided_at),
        )
    if answer.outcome == "account_frozen":
        raise AccountFrozen("An operator has frozen this account: no call may start.")
    if answer.outcome == "api_key_revoked":
        raise ApiKeyRevoked("The API key is revoked or has expired: its call may not start.")
    if answer.outcome == "hold_key_reused":
        raise HoldKeyReused("This hold_key has opened another hold; use a new key for a new call.")
    raise NotFound("There is no such account.", code="account_not_found")


def _seconds_until(instant: datetime | None, now: datetime) -> int:
    return 1 if instant is None else max(1, -int((now - instant).total_seconds() // 1))
