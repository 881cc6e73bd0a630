"""The shape of a reported event, decoded one by one, so that a bad one sinks nothing."""

import re
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec
from msgspec import Meta

from core.errors import InvalidInput
from core.money import parse_usd, usd_text

EVENTS_MAX: Final = 5_000
METADATA_MAX_BYTES: Final = 2_048

PrintableId = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}(?![\s\S])")]
PublicId = Annotated[str, Meta(pattern=r"^[0-9a-f]{32}(?![\s\S])")]
ModelCode = Annotated[str, Meta(pattern=r"^[\x21-\x7e]{1,128}(?![\s\S])")]
# The same, for what every event has: a pattern costs msgspec a microsecond each, `Call` checks them together.
_EventId = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema={"pattern": "^[!-~]+$"})]
_AccountId = Annotated[str, Meta(min_length=32, max_length=32, extra_json_schema={"pattern": "^[0-9a-f]+$"})]
_Model = Annotated[str, Meta(min_length=1, max_length=128, extra_json_schema={"pattern": "^[!-~]+$"})]
_Endpoint = Annotated[str, Meta(max_length=64, extra_json_schema={"pattern": "^[!-~]*$"})]
_PUBLIC_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
Quantity = Annotated[int, Meta(ge=0, le=2**31)]
DollarText = Annotated[str, Meta(pattern=r"^[0-9]{1,10}(\.[0-9]{1,9})?(?![\s\S])")]
Instant = Annotated[datetime, Meta(tz=True)]
Flat = str | int | float | bool | None


class Measured(msgspec.Struct, frozen=True, kw_only=True):
    """What a call used. The five token classes are disjoint; the sender converts. `requests` counts 1 where it is not given."""

    input_tokens: Quantity = 0
    output_tokens: Quantity = 0
    cache_read_tokens: Quantity = 0
    cache_write_tokens: Quantity = 0
    reasoning_tokens: Quantity = 0
    requests: Quantity = 1
    images: Quantity = 0
    seconds: Quantity = 0


class Call(Measured, frozen=True, kw_only=True):
    """What is told of a call, however it is reported. `account` and `api_key` are public ids, never secrets. `metadata` is flat."""

    event_id: _EventId
    account: _AccountId
    model: _Model
    status: Literal["success", "failed"] = "success"
    api_key: PublicId | None = None
    occurred_at: Instant | None = None
    endpoint: _Endpoint = ""
    metadata: dict[str, Flat] | None = None

    def __post_init__(self) -> None:
        """Raises ValueError, which msgspec words as what is wrong with the item."""
        texts = self.event_id + self.model + self.endpoint
        if not (texts.isascii() and texts.isprintable()) or " " in texts:
            raise ValueError("`event_id`, `model` and `endpoint` are printable ASCII without spaces")
        if _PUBLIC_ID.fullmatch(self.account) is None:
            raise ValueError("`account` is an account's id, 32 hexadecimal characters")


class ReportedEvent(Call, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """
    One call as a gateway reports it. `hold` is the public id of the hold it captures. `cost`, in exact dollars, stands in for the price
    book where another meter has priced the call already.

    Its content is what it says beyond the defaults, so that a field that comes one day changes no fingerprint of what came before.
    """

    hold: PrintableId | None = None
    cost: DollarText | None = None


class Rejection(msgspec.Struct, frozen=True):
    """Why one event was not booked: its place in the request, its id where it could be read, a stable code, what to do."""

    index: int
    event_id: str | None
    code: str
    message: str


class IngestAnswer(msgspec.Struct, frozen=True):
    """What became of a batch: `accepted` + `duplicates` + the rejected make its length."""

    accepted: int
    duplicates: int
    rejected: list[Rejection]


_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_EVENT: Final = msgspec.json.Decoder(ReportedEvent)
_CANONICAL: Final = msgspec.json.Encoder(order="deterministic")
_MARK: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+"|[][{},"]', re.DOTALL)
"""A string, or what stands between strings and shapes the body; a quotation mark alone opens a string that never ends."""


def split_body(body: bytes) -> list[msgspec.Raw]:
    """
    The items of a batch, still undecoded.

    Raises InvalidInput: `malformed_json`, `empty_batch`, `too_many_events`.
    """
    try:
        items = _ITEMS.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        items = _cut(body)
        if not items:
            message = f"The body must be a JSON array of events: {error}."
            raise InvalidInput(message[:300], code="malformed_json") from error
    if not items:
        raise InvalidInput("Send at least one event.", code="empty_batch")
    if len(items) > EVENTS_MAX:
        raise InvalidInput(f"Send at most {EVENTS_MAX} events at once; split the batch.", code="too_many_events")
    return items


def decode_event(item: msgspec.Raw) -> ReportedEvent:
    """
    One event, checked.

    Raises InvalidInput: `malformed_event` (not JSON or not UTF-8), `invalid_event` (a field is missing, unknown or out of range).
    """
    try:
        event = _EVENT.decode(item)
    except msgspec.ValidationError as error:
        raise InvalidInput(f"{error}."[:300], code="invalid_event") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidInput(f"This item is not valid JSON in UTF-8: {error}."[:300], code="malformed_event") from error
    return tidy(event)


def tidy(event: ReportedEvent) -> ReportedEvent:
    """
    The event in the one form that its content has, however it was written.

    Raises InvalidInput `invalid_event`: metadata is too large or holds NUL.
    """
    if event.cost is not None:
        event = msgspec.structs.replace(event, cost=usd_text(parse_usd(event.cost, field="cost")))
    if event.metadata is not None:
        _check_metadata(event.metadata)
        if not event.metadata:
            event = msgspec.structs.replace(event, metadata=None)
    return event if event.occurred_at is None or event.occurred_at.tzinfo is UTC else _in_utc(event, event.occurred_at)


def canonical(event: ReportedEvent) -> bytes:
    """The event's content in one form, whatever order or spelling it came in: equal bytes are the same report."""
    return _CANONICAL.encode(event)


def metadata_text(metadata: dict[str, Flat] | None) -> str | None:
    """Metadata as compact JSON."""
    return _CANONICAL.encode(metadata).decode() if metadata else None


def _cut(body: bytes) -> list[msgspec.Raw]:
    """
    The items of an array that holds something which is not JSON (NaN, half a surrogate pair, a raw control character, too many
    brackets): cut at the commas outside of strings and brackets, so that it is one item that is bad and not the batch.

    Nothing where the body is no array, or an item is empty: its sender has lost the thread.
    """
    array = body.strip()
    depth, start, items = 0, 1, []
    if not array.startswith(b"["):
        return []
    for mark in _MARK.finditer(array):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(mark[0], 0)
        ends = depth == 0 and mark[0] == b"]"
        if mark[0] == b'"' or (depth == 0) is not ends or (ends and mark.end() != len(array)):
            return []
        if ends or (depth == 1 and mark[0] == b","):
            items.append(array[start : mark.start()].strip())
            start = mark.end()
    return [msgspec.Raw(item) for item in items] if depth == 0 and all(items) else []


def _in_utc(event: ReportedEvent, occurred_at: datetime) -> ReportedEvent:
    """
    One instant is one content, in whatever zone it was written.

    The first and the last day of the calendar have no UTC in every zone: staging refuses them for their age.
    """
    try:
        return msgspec.structs.replace(event, occurred_at=occurred_at.astimezone(UTC))
    except OverflowError:
        return event


def _check_metadata(metadata: dict[str, Flat]) -> None:
    if len(_CANONICAL.encode(metadata)) > METADATA_MAX_BYTES:
        raise InvalidInput(f"metadata must be at most {METADATA_MAX_BYTES} bytes of JSON.", code="invalid_event")
    if any("\0" in text for pair in metadata.items() for text in pair if isinstance(text, str)):
        raise InvalidInput("metadata must not hold NUL characters.", code="invalid_event")
