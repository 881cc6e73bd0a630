"""
The hot path: a batch of usage events, booked exactly once each, in a fixed few statements.

Decode each item by itself, price it in integers, COPY what is good, then let the ledger post it. A bad
event never sinks the good ones, and nothing is asked of the database per event.
"""

import logging
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Final

import msgspec
from django.db import IntegrityError, connection, transaction
from django.db.backends.utils import CursorWrapper
from psycopg.errors import UniqueViolation

from core.arrays import array_text
from core.binary_copy import copy_rows
from core.errors import BillingError
from core.metrics import CONFLICTS
from credits.services.batches import OVERFLOW, EventCharge, post_batch
from usage.services.charging import charge_one
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.events import IngestAnswer, Rejection, ReportedEvent, decode_event, split_body
from usage.services.price_book import PRICE_BOOK
from usage.services.staging import COLUMNS, Reference, Staged, place_event, stage_event

logger = logging.getLogger(__name__)

_SQL: Final = Path(__file__).resolve().parent.parent / "sql"
_STAGE: Final = (_SQL / "stage.sql").read_text()
_INSERT: Final = (_SQL / "insert_events.sql").read_text().format(columns=COLUMNS)
_KNOWN: Final = (_SQL / "known_events.sql").read_text()
_DELETE: Final = (_SQL / "delete_events.sql").read_text()
_TELL: Final = (_SQL / "tell_events.sql").read_text()
_MARK: Final = (_SQL / "mark_uncounted.sql").read_text()


@dataclass(slots=True)
class _Batch:
    """What is known of a batch so far: the first event of each id, later ones under the same id, and what was refused."""

    first: dict[tuple[int, str], Staged] = field(default_factory=dict)
    repeats: list[tuple[Staged, Staged]] = field(default_factory=list)
    rejected: list[Rejection] = field(default_factory=list)

    def add(self, staged: Staged) -> None:
        """Keep an event, or note it as a repeat of one in this batch."""
        first = self.first.setdefault((staged.charge.account_id, staged.charge.event_id), staged)
        if first is not staged:
            self.repeats.append((staged, first))

    def reject(self, index: int, event_id: str | None, code: str, message: str) -> None:
        """Refuse one event, alone."""
        self.rejected.append(Rejection(index, event_id, code, message))


def ingest(body: bytes, *, now: datetime) -> IngestAnswer:
    """
    Book a batch of 1 to 5,000 usage events (a JSON array); each (account, event_id) is charged once for ever.

    Raises InvalidInput (the body as a whole is bad), StalePriceBook. What is wrong with one event is told in the answer.
    """
    batch = _Batch()
    events = _decode(split_body(body), batch)
    reference = _reference([event for _, event in events], now)
    if len(events) == 1 and _charge_alone(events[0][1], reference):
        return IngestAnswer(1, 0, batch.rejected)
    _stage(events, batch, reference)
    with transaction.atomic(), connection.cursor() as cursor:
        known, refused = post_events(cursor, list(batch.first.values()), now=now)
    return _answer(batch, known, refused)


def _decode(items: list[msgspec.Raw], batch: _Batch) -> list[tuple[int, ReportedEvent]]:
    events = []
    for index, item in enumerate(items):
        try:
            events.append((index, decode_event(item)))
        except BillingError as error:
            batch.reject(index, _readable_id(item), error.stable_code, error.message)
    return events


def _reference(events: list[ReportedEvent], now: datetime) -> Reference:
    return Reference(
        now=now,
        book=PRICE_BOOK.current(now),
        accounts=ACCOUNTS.resolve({event.account for event in events}, now),
        keys=KEYS.resolve({event.api_key for event in events if event.api_key is not None}, now),
    )


def _charge_alone(event: ReportedEvent, known: Reference) -> bool:
    """Book one event in one round trip, not nine; whether that was done. It is not where it is no plain new one: the batch knows why."""
    if event.hold is not None:
        return False
    try:
        placed = place_event(event, known)
    except BillingError:
        return False
    return charge_one(event, placed, now=known.now).outcome == "charged"


def _stage(events: list[tuple[int, ReportedEvent]], batch: _Batch, known: Reference) -> None:
    for index, event in events:
        try:
            batch.add(stage_event(index, event, known))
        except BillingError as error:
            batch.reject(index, event.event_id, error.stable_code, error.message)


def post_events(cursor: CursorWrapper, staged: list[Staged], *, now: datetime) -> tuple[dict[int, bytes], dict[int, str]]:
    """
    Write priced events and book them. Returns which were known before, with their fingerprints, and which the ledger refused, with
    the reason; both by position. Needs a transaction.
    """
    if not staged:
        return {}, {}
    cursor.execute("SELECT nextval('usage_event_block')")
    (block,) = cursor.fetchone() or (0,)
    known = _insert(cursor, staged, block)
    fresh = [event.charge for event in staged if event.charge.position not in known] if known else [event.charge for event in staged]
    if not fresh:
        return known, {}
    posted = post_batch(cursor, fresh, remove=partial(_remove, cursor), now=now)
    if posted.named_holds:
        cursor.execute(_TELL)
    booked = Counter(charge.account_id for charge in fresh if charge.position not in posted.refused)
    if booked:
        cursor.execute(_MARK, {"block": block, "now": now, "accounts": array_text(booked), "events": array_text(booked.values())})
    return known, posted.refused


def _insert(cursor: CursorWrapper, staged: list[Staged], block: int) -> dict[int, bytes]:
    """
    Write the events in key order. Returns which were known, by position, with their fingerprints.

    Nearly every batch is new altogether, and is copied as it is; one that is not is staged, so that what is new is found.
    """
    rows = [event.row(block) for event in sorted(staged, key=_KEY)]
    try:
        with transaction.atomic():
            copy_rows(cursor, "usage_event", COLUMNS, rows)
    except IntegrityError as error:
        if not isinstance(error.__cause__, UniqueViolation):
            raise
        return _insert_new(cursor, rows)
    return {}


def _insert_new(cursor: CursorWrapper, rows: list[bytes]) -> dict[int, bytes]:
    cursor.execute(_STAGE)
    copy_rows(cursor, "staged_event", COLUMNS, rows)
    cursor.execute(_INSERT, {})
    if len(cursor.fetchall()) == len(rows):
        return {}
    cursor.execute(_KNOWN, {})
    return {position: fingerprint.bytes for position, fingerprint in cursor.fetchall()}


_KEY: Final = attrgetter("charge.account_id", "charge.event_id")


def _remove(cursor: CursorWrapper, refused: list[EventCharge]) -> None:
    """Take refused events out again, as if they had not been sent."""
    accounts, event_ids = [charge.account_id for charge in refused], [charge.event_id for charge in refused]
    cursor.execute(_DELETE, {"accounts": accounts, "event_ids": event_ids})


REFUSALS: Final = {
    OVERFLOW: "This account has spent all that can be counted.",
    "unknown_hold": "The account has no such hold; report the usage as an event without it.",
    "hold_already_captured": "Another event has captured this hold; if it was a second call, report it as an event without the hold.",
}
"""What to do where the ledger refuses an event."""


def _answer(batch: _Batch, known: dict[int, bytes], refused: dict[int, str]) -> IngestAnswer:
    accepted = duplicates = 0
    firsts = [(event, event) for event in batch.first.values()]
    for event, first in firsts + batch.repeats:
        place = first.charge.position
        stored = known.get(place, first.fingerprint)
        if place in refused:
            batch.reject(event.charge.position, event.charge.event_id, refused[place], REFUSALS[refused[place]])
        elif event.fingerprint != stored:
            message = "This event_id is known with other content; an event is never rewritten. Use a new event_id."
            batch.reject(event.charge.position, event.charge.event_id, "event_id_conflict", message)
        elif event is first and place not in known:
            accepted += 1
        else:
            duplicates += 1
    batch.rejected.sort(key=lambda rejection: rejection.index)
    _alarm_conflicts(batch)
    return IngestAnswer(accepted, duplicates, batch.rejected)


def _alarm_conflicts(batch: _Batch) -> None:
    """A known id with other content is a sender's bug that loses usage: counted, and said aloud once a batch."""
    conflicts = [rejection for rejection in batch.rejected if rejection.code == "event_id_conflict"]
    if conflicts:
        CONFLICTS.inc(len(conflicts))
        logger.warning("%s usage events repeat a known event_id with other content, the first is %s", len(conflicts), conflicts[0].event_id)


class _OnlyId(msgspec.Struct):
    event_id: str | None = None


_ONLY_ID: Final = msgspec.json.Decoder(_OnlyId)


def _readable_id(item: msgspec.Raw) -> str | None:
    """The id of an event that could not be read whole, where it can be told, so that its sender finds it."""
    try:
        event_id = _ONLY_ID.decode(item).event_id
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return None if event_id is None else event_id[:128]
