"""Prices a batch and packs it for COPY: one row per event."""

import hashlib
import re
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from struct import Struct
from typing import Final

import msgspec

from accounts.selectors import AccountRef, KeyRef, zone_at
from core.binary_copy import bigint, days, jsonb, micros, text
from core.errors import InvalidInput
from core.money import parse_usd
from core.zones import LocalDay, day_of
from credits.services.batch_rows import EventCharge
from usage.errors import CostOutOfRange
from usage.rating import MAX_EVENT_COST_NANOS, rate, rate_call
from usage.services.events import ReportedEvent, canonical, metadata_text
from usage.services.price_book import PriceBook, Priced

FUTURE_TOLERANCE: Final = timedelta(minutes=5)
PAST_TOLERANCE: Final = timedelta(days=90)

_HOLD: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)

COLUMNS: Final = (
    "id, account_id, model_id, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, requests, images,"
    " seconds, cost_nanos, charged_nanos, absorbed_nanos, occurred_at, created_at, fingerprint, local_date, api_key_id, price_version_id,"
    " multiplier_id, provider_cost_nanos, event_id, status, endpoint, metadata, hold"
)
"""Of `usage_event`, in the order of a staged row."""
BLOCK: Final = 8192
"""Ids of one batch: its block's number times this, and the place in the batch. No batch is that long."""

_ID: Final = Struct("!hiq").pack
_FIXED: Final = Struct("!" + "iq" * 15 + "i16sii").pack
_STATUS: Final = {status: text(status) for status in ("success", "failed")}


class Staged(msgspec.Struct, frozen=True, gc=False):
    """One event ready to be written: its content's fingerprint, what the ledger is to charge, and its row, which lacks an id only."""

    fingerprint: bytes
    charge: EventCharge
    rest: bytes

    def row(self, block: int) -> bytes:
        """The whole row, packed for COPY. `COLUMNS`."""
        return _ID(27, 8, block * BLOCK + self.charge.position) + self.rest


@dataclass(slots=True)
class Reference:
    """What a batch is priced and placed by. `received_micros`: `now` as the server counts. It takes what occurred since `earliest`."""

    now: datetime
    book: PriceBook
    accounts: dict[str, AccountRef]
    keys: dict[str, KeyRef]
    received_micros: int = field(init=False)
    earliest: datetime = field(init=False)
    latest: datetime = field(init=False)
    days: dict[str, LocalDay] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.received_micros = micros(self.now)
        self.earliest, self.latest = self.now - PAST_TOLERANCE, self.now + FUTURE_TOLERANCE

    def local_date(self, zone: str, instant: datetime) -> date:
        """The date in a zone; most events of a batch are of one day of it, whose ends are remembered."""
        day = self.days.get(zone)
        if day is None or not day.begins_at <= instant < day.ends_at:
            day = self.days[zone] = day_of(zone, instant)
        return day.date


class Rated(msgspec.Struct, frozen=True, gc=False):
    """What an event costs the customer, and the operator where that is known; and by what it was rated, if by the price book."""

    model_id: int
    version_id: int | None
    multiplier_id: int | None
    cost_nanos: int
    provider_cost_nanos: int | None


class Placed(msgspec.Struct, frozen=True, gc=False):
    """An event that is priced and belongs to an account: what the tables need to know beside what was reported."""

    account_id: int
    api_key_id: int | None
    rated: Rated
    fingerprint: bytes
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
    occurred_at = _occurred_at(event, known)
    rated = _rate(event, known.book, account, min(occurred_at, known.now))
    fingerprint = hashlib.blake2b(canonical(event), digest_size=16).digest()
    day = known.local_date(zone_at(account, known.now), occurred_at)  # By the zone it has now, when it is booked.
    return Placed(account.id, key_id, rated, fingerprint, day, occurred_at)


def stage_event(position: int, event: ReportedEvent, known: Reference) -> Staged:
    """One event as a row of COPY. Raises what `place_event` does."""
    at = place_event(event, known)
    by = at.rated
    occurred = micros(at.occurred_at)
    # fmt: off
    fixed = _FIXED(
        8, at.account_id, 8, by.model_id, 8, event.input_tokens, 8, event.output_tokens, 8, event.cache_read_tokens,
        8, event.cache_write_tokens, 8, event.reasoning_tokens, 8, event.requests, 8, event.images, 8, event.seconds,
        8, by.cost_nanos, 8, by.cost_nanos, 8, 0, 8, occurred, 8, known.received_micros,
        16, at.fingerprint, 4, days(at.local_date),
    )
    # fmt: on
    ids = bigint(at.api_key_id) + bigint(by.version_id) + bigint(by.multiplier_id) + bigint(by.provider_cost_nanos)
    told = text(event.event_id) + _STATUS[event.status] + text(event.endpoint)
    free = jsonb(metadata_text(event.metadata)) + text(event.hold)
    charge = EventCharge(position, at.account_id, event.event_id, by.cost_nanos, occurred, at.api_key_id, event.hold)
    return Staged(at.fingerprint, charge, fixed + ids + told + free)


def _rate(event: ReportedEvent, book: PriceBook, account: AccountRef, at: datetime) -> Rated:
    """By the price book, or as the sender's own meter says."""
    if event.cost is None:
        priced = book.in_force(event.model, at)
        multiplier = book.multiplier(account, priced.model_id, at)
        failed = event.status == "failed"
        cost = rate_call(priced.prices, event, failed=failed, policy=priced.failed_policy, multiplier_bp=multiplier.bp)
        return Rated(priced.model_id, priced.version_id, multiplier.id, cost, _provider_cost(priced, event))
    cost = parse_usd(event.cost, field="cost")
    if cost > MAX_EVENT_COST_NANOS:
        raise CostOutOfRange("This event would cost more than $1,000,000; check its cost.")
    return Rated(book.model_id(event.model), None, None, cost, None)


def _provider_cost(priced: Priced, event: ReportedEvent) -> int | None:
    """What the call cost the operator, where that is known; never a reason to refuse it."""
    if priced.provider is None:
        return None
    try:
        return rate(priced.provider, event)
    except CostOutOfRange:
        return None


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


def _occurred_at(event: ReportedEvent, known: Reference) -> datetime:
    occurred_at = event.occurred_at
    if occurred_at is None:
        return known.now
    if occurred_at > known.latest:
        raise InvalidInput("occurred_at is in the future; check the sender's clock.", code="occurred_at_in_future")
    if occurred_at < known.earliest:
        raise InvalidInput("occurred_at is more than 90 days ago; book it by an adjustment.", code="occurred_at_too_old")
    return occurred_at
