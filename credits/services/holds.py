"""Admission: credits kept aside for a call before it is made, decided under the wallet's lock."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from django.db import connection, transaction

from core import ids
from core.errors import BillingError, InvalidInput, InvariantViolation, NotFound, Unaffordable, Unavailable
from core.money import AMOUNT_MAX_NANOS, usd_text
from credits.books import Reservation
from credits.errors import (
    AccountFrozen,
    AmountOutOfRange,
    ApiKeyRevoked,
    HeldByOtherRequests,
    HoldAlreadyCaptured,
    HoldKeyReused,
    HoldNotFound,
    SpendingLimitReached,
)
from credits.models import HOLD_LONGEST, Hold, HoldStatus
from credits.services.auditing import Act, record
from credits.services.posting import open_one, write_books
from credits.services.wallets import book_due_changes, ensure_wallets

__all__ = ("HOLD_LONGEST", "HoldTerms", "HoldView", "Opened", "Remaining", "facts_of", "get_hold", "open_hold", "void_hold")

_TRIES: Final = 5
_RETRY_AT_MOST: Final = 60
_MICROSECOND: Final = timedelta(microseconds=1)
_SECOND: Final = timedelta(seconds=1)


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


class Opened(NamedTuple):
    """A hold, what the account has left, and whether the hold was known before by its key."""

    hold: HoldView
    left: Remaining
    is_repeat: bool


@dataclass(frozen=True, slots=True)
class HoldTerms:
    """
    What is asked for: `amount_nanos` above 0, for `lasts` (a second to 24 hours), by a key of the account, under a key of the gateway.

    `is_estimate`: the amount was priced from a model's tokens, so that the same call asked for again may come at another price.
    """

    amount_nanos: int
    lasts: timedelta
    api_key_id: int | None = None
    hold_key: str | None = None
    is_estimate: bool = False


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
    promisable_nanos: int
    limit_of_key: bool | None
    resets_at: datetime | None
    decided_at: datetime
    frees_at: datetime | None


_COLUMNS: Final = ", ".join(column.name for column in fields(_Answer))
_ASK: Final = f"SELECT {_COLUMNS} FROM ledger_open_hold(%s, %s, %s, %s, %s, %s, %s * interval '1 microsecond', %s)"  # noqa: S608 - our own names


def open_hold(*, account_id: int, terms: HoldTerms, now: datetime) -> Opened:
    """
    Keep credits aside for a call. The same `hold_key` again returns the first hold as it stands.

    Raises AmountOutOfRange, InvalidInput (how long), NotFound `account_not_found`, AccountFrozen, ApiKeyRevoked, HoldKeyReused,
    Unaffordable (gone), HeldByOtherRequests, SpendingLimitReached; each of these with what the account has left.
    """
    if not 0 < terms.amount_nanos <= AMOUNT_MAX_NANOS:
        raise AmountOutOfRange("A hold must keep more than 0, and no more than a wallet can count.", field="amount")
    if not _SECOND <= terms.lasts <= HOLD_LONGEST:
        raise InvalidInput("A hold lasts from 1 second to 24 hours.", field="expires_in")
    for _ in range(_TRIES):
        answer = _ask(account_id, terms, now)
        if answer.outcome == "due":
            book_due_changes(account_ids=[account_id], now=now)
        elif answer.outcome == "no_wallet":
            ensure_wallets([account_id], now=now)
        elif answer.outcome in {"opened", "known"}:
            return Opened(_view(answer), _remaining(answer), answer.outcome == "known")
        else:
            raise _refusal(answer)
    raise Unavailable("Too much becomes due on this account at once; nothing moved, send it again.", code="busy", retry_after=1)


def void_hold(
    *, account_id: int, public_id: str, now: datetime, actor_id: int | None = None, reason: str = ""
) -> tuple[HoldView, Remaining]:
    """
    Free what a hold keeps aside. One that was voided or has expired stays as it is, and is answered. `reason` (an operator's) leaves an
    audit row where something was freed.

    Raises HoldNotFound, HoldAlreadyCaptured.
    """
    with transaction.atomic():
        books = open_one(account_id, now=now)
        hold = _find(account_id, public_id)
        if hold.status == HoldStatus.CAPTURED:
            message = "This hold was captured; give the usage back instead."
            raise HoldAlreadyCaptured(message, event_id=hold.event_id, **facts_of(Remaining(max(0, books.available), books.reserved)))
        before = books.available
        if hold.status == HoldStatus.OPEN:
            books.close(_reservation(hold), HoldStatus.VOIDED)
            write_books([books])
            hold.refresh_from_db()
            act = Act("void_hold", "hold", public_id, actor_id, reason)
            after: dict[str, object] = {"available_usd": usd_text(books.available), "status": hold.status}
            record(act, books, before={"available_usd": usd_text(before)}, after=after)
    return _view_of(hold), Remaining(max(0, books.available), books.reserved)


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


def facts_of(left: Remaining) -> dict[str, str]:
    """What a refusal says of the account: exact dollars."""
    return {"available": usd_text(left.available_nanos), "held": usd_text(left.reserved_nanos)}


def _ask(account_id: int, terms: HoldTerms, now: datetime) -> _Answer:
    asked = (terms.hold_key, terms.api_key_id, terms.amount_nanos, terms.is_estimate, terms.lasts // _MICROSECOND, now)
    with connection.cursor() as cursor:
        cursor.execute(_ASK, (account_id, ids.new_public_id(), *asked))
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


def _refusal(answer: _Answer) -> BillingError:
    say = _REFUSALS.get(answer.outcome)
    if say is None:
        msg = f"ledger_open_hold answered {answer.outcome!r}"
        raise InvariantViolation(msg)
    return say(answer)


def _gone(answer: _Answer) -> BillingError:
    promisable = max(0, answer.promisable_nanos)
    if answer.promisable_nanos < answer.amount_nanos <= answer.available_nanos:
        message = "The account's credits end before such a hold would; ask for a shorter one, or less."
        return Unaffordable(message, **_left(answer), promisable=usd_text(promisable))
    return Unaffordable("The account's credits are gone; it must buy more before this call.", **_left(answer))


def _held(answer: _Answer) -> BillingError:
    message = "The account has credits, and other open holds keep them; try again when one of them ends."
    wait = min(_RETRY_AT_MOST, _seconds_until(answer.frees_at, answer.decided_at))
    return HeldByOtherRequests(message, **_left(answer), retry_after=wait)


def _limited(answer: _Answer) -> BillingError:
    return SpendingLimitReached(
        f"The spending limit of the {'API key' if answer.limit_of_key else 'account'} would be passed.",
        **_left(answer),
        limit_id="api_key" if answer.limit_of_key else "account",
        resets_at=answer.resets_at,
        retry_after=_seconds_until(answer.resets_at, answer.decided_at),
    )


def _frozen(answer: _Answer) -> BillingError:
    return AccountFrozen("An operator has frozen this account: no call may start.", **_left(answer))


def _revoked(answer: _Answer) -> BillingError:
    return ApiKeyRevoked("The API key is revoked or has expired: its call may not start.", **_left(answer))


def _reused(answer: _Answer) -> BillingError:
    return HoldKeyReused("This hold_key has opened another hold; use a new key for a new call.", **_left(answer))


def _closed(_answer: _Answer) -> BillingError:
    return NotFound("There is no such account.", code="account_not_found")


_REFUSALS: Final[dict[str, Callable[[_Answer], BillingError]]] = {
    "insufficient_credits": _gone,
    "held_by_other_requests": _held,
    "spending_limit_reached": _limited,
    "account_frozen": _frozen,
    "api_key_revoked": _revoked,
    "hold_key_reused": _reused,
    "account_not_found": _closed,
}


def _left(answer: _Answer) -> dict[str, str]:
    return facts_of(_remaining(answer))


def _seconds_until(instant: datetime | None, now: datetime) -> int:
    return 1 if instant is None else max(1, -int((now - instant).total_seconds() // 1))
