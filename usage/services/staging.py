"""Prices a batch and writes it as COPY text: one line per event."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

import msgspec

from accounts.selectors import AccountRef, KeyRef, zone_at
from core.errors import InvalidInput
from core.money import parse_usd
from core.zones import local_date
from usage.errors import CostOutOfRange
from usage.rating import MAX_EVENT_COST_NANOS, rate, rate_call
from usage.services.events import ReportedEvent, canonical, metadata_text
from usage.services.price_book import PriceBook

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
PAST_TOLERANCE: Final = timedelta(days=90)

_NULL: Final = r"\N"
_HOLD: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

COLUMNS: Final = (
    "position, account_id, event_id, fingerprint, api_key_id, model_id, price_version_id, multiplier_id, status, input_tokens,"
    " output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images, seconds, cost_nanos, provider_cost_nanos,"
    " endpoint, metadata, local_date, hold, occurred_at"
)


class Staged(msgspec.Struct, frozen=True, gc=False):
    """One event ready to be written: whose, under which id, its content's fingerprint (hex), and its COPY line."""

    position: int
    account_id: int
    event_id: str
    fingerprint: str
    line: str


@dataclass(frozen=True, slots=True)
class Reference:
    """What a batch is priced and placed by."""

    now: datetime
    book: PriceBook
    accounts: dict[str, AccountRef]
    keys: dict[str, KeyRef]


@dataclass(frozen=True, slots=True)
class Rated:
    """What an event costs the customer, and the operator where that is known; and by what it was rated, if by the price book."""

    model_id: int
    version_id: int | None
    multiplier_id: int | None
    cost_nanos: int
    provider_cost_nanos: int | None


@dataclass(frozen=True, slots=True)
class Placed:
    """An event that is priced and belongs to an account: what the tables need to know beside what was reported."""

    account_id: int
    api_key_id: int | None
    rated: Rated
    fingerprint: str
    local_date: date
    occurred_at: datetime


def place_event(event: ReportedEvent, known: Reference) -> Placed:
    """
    Price one event and place it in its account.

    Raises BillingError: unknown_account, unknown_api_key, unknown_hold, unknown_model, unpriced_model, cost_out_of_range,
    occurred_at_in_future, occurred_at_too_old.
    """
    account = _account_of(event, known)
    key_id = _key_of(event, account, known)
    _check_hold(event)
    occurred_at = _occurred_at(event, known.now)
    rated = _rate(event, known.book, account, min(occurred_at, known.now))
    fingerprint = hashlib.blake2b(canonical(event), digest_size=16).hexdigest()
    day = local_date(zone_at(account, known.now), occurred_at)  # By the zone it has now, when it is booked.
    return Placed(account.id, key_id, rated, fingerprint, day, occurred_at)


def stage_event(position: int, event: ReportedEvent, known: Reference) -> Staged:
    """One event as a line of COPY. Raises what `place_event` does."""
    at = place_event(event, known)
    place = f"{position}\t{at.account_id}\t{_text(event.event_id)}\t{at.fingerprint}\t{_null(at.api_key_id)}"
    by = at.rated
    ids = f"{by.model_id}\t{_null(by.version_id)}\t{_null(by.multiplier_id)}"
    price = f"{ids}\t{_reported(event)}\t{by.cost_nanos}\t{_null(by.provider_cost_nanos)}"
    when = f"{at.local_date}\t{_null(event.hold)}\t{at.occurred_at}"
    return Staged(position, at.account_id, event.event_id, at.fingerprint, f"{place}\t{price}\t{_free(event)}\t{when}\n")


def _rate(event: ReportedEvent, book: PriceBook, account: AccountRef, at: datetime) -> Rated:
    """By the price book, or as the sender's own meter says."""
    if event.cost is None:
        priced = book.in_force(event.model, at)
        multiplier = book.multiplier(account, priced.model_id, at)
        failed = event.status == "failed"
        cost = rate_call(priced.prices, event, failed=failed, policy=priced.failed_policy, multiplier_bp=multiplier.bp)
        provider_cost = None if priced.provider is None else rate(priced.provider, event)
        return Rated(priced.model_id, priced.version_id, multiplier.id, cost, provider_cost)
    cost = parse_usd(event.cost, field="cost")
    if cost > MAX_EVENT_COST_NANOS:
        raise CostOutOfRange("This event would cost more than $1,000,000; check its cost.")
    return Rated(book.model_id(event.model), None, None, cost, None)


def _account_of(event: ReportedEvent, known: Reference) -> AccountRef:
    account = known.accounts.get(event.account)
    if account is None:
        raise InvalidInput("There is no such account.", code="unknown_account")
    return account


def _key_of(event: ReportedEvent, account: AccountRef, known: Reference) -> int | None:
    if event.api_key is None:
        return None
    key = known.keys.get(event.api_key)
    if key is None or key.account_id != account.id:
        raise InvalidInput("The account has no such API key; send the key's public id.", code="unknown_api_key")
    return key.id


def _check_hold(event: ReportedEvent) -> None:
    """Whether it exists is decided under the wallet's lock; what cannot be one need not wait for that."""
    if event.hold is not None and _HOLD.fullmatch(event.hold) is None:
        raise InvalidInput("There is no such hold; send the event without it.", code="unknown_hold")


def _occurred_at(event: ReportedEvent, now: datetime) -> datetime:
    if event.occurred_at is None:
        return now
    occurred_at = event.occurred_at
    if occurred_at > now + FUTURE_TOLERANCE:
        raise InvalidInput("occurred_at is in the future; check the sender's clock.", code="occurred_at_in_future")
    if occurred_at < now - PAST_TOLERANCE:
        raise InvalidInput("occurred_at is more than 90 days ago; book it by an adjustment.", code="occurred_at_too_old")
    return occurred_at


def _reported(event: ReportedEvent) -> str:
    return (
        f"{event.status}\t{event.input_tokens}\t{event.output_tokens}\t{event.cache_read_tokens}\t{event.cache_write_tokens}\t"
        f"{event.reasoning_tokens}\t{event.requests}\t{event.images}\t{event.seconds}"
    )


def _free(event: ReportedEvent) -> str:
    metadata = metadata_text(event.metadata)
    return f"{_text(event.endpoint)}\t{_NULL if metadata is None else _text(metadata)}"


def _text(value: str) -> str:
    """COPY's one escape that an id, an endpoint or compact JSON can need: none of them holds a raw control character."""
    return value.replace("\\", "\\\\") if "\\" in value else value


def _null(value: int | str | None) -> int | str:
    return _NULL if value is None else value
