"""Line by line into batches, batch by batch to the platform; after each answer it is written down how far."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

import msgspec

from usage.send.fields import Skipped
from usage.send.keeping import Keeper, Refusal
from usage.send.layouts import Event, Rules, convert
from usage.send.posting import Answer, GaveUp
from usage.send.progress import Progress
from usage.send.reading import Place, RawLine, Source

BODY_MAX: Final = 15 * 1024 * 1024
"""The platform takes 16 MiB."""
TOKEN_NAMES: Final = tuple(f"{name}_tokens" for name in ("input", "output", "cache_read", "cache_write", "reasoning"))

Post = Callable[[bytes], Answer]


@dataclass
class _Batch:
    """Events that go together, their lines' numbers, what is not sent of the lines between them, and where it ends."""

    end: Place
    events: list[bytes] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    skipped: list[Refusal] = field(default_factory=list)
    size: int = 2

    def takes(self, event: bytes, most: int) -> bool:
        """Whether one more fits."""
        return len(self.events) < most and self.size + len(event) + 1 <= BODY_MAX

    def add(self, event: bytes, number: int) -> None:
        """One more."""
        self.events.append(event)
        self.numbers.append(number)
        self.size += len(event) + 1

    @property
    def body(self) -> bytes:
        """As the platform reads it."""
        return b"[" + b",".join(self.events) + b"]"


@dataclass
class Sent:
    """What this run did: events that were answered for, lines read, seconds."""

    events: int = 0
    lines: int = 0
    started: float = field(default_factory=time.monotonic)

    @property
    def seconds(self) -> float:
        """So far."""
        return time.monotonic() - self.started


class Sending:
    """One run over one file."""

    def __init__(self, rules: Rules, keeper: Keeper, post: Post, progress: Progress, batch: int) -> None:
        """`batch`: so many events at most in one request."""
        self._rules, self._keeper, self._post, self._progress, self._most = rules, keeper, post, progress, batch
        self._before = keeper.state.sums.seconds
        self.sent = Sent()
        self.is_unfinished = False

    def run(self, source: Source, *, first: int) -> None:
        """
        Send what comes after the place that was kept, from that line's number on.

        Raises GaveUp, OSError, EOFError, ValueError: the state says how far it came.
        """
        batch = _Batch(self._keeper.state.place)
        for line in source.lines(batch.end):
            if line.end.number < first:
                batch.end = line.end
                continue
            if _is_unfinished(line):
                self._leave_out(batch, line)
                break
            event = self._read(line, batch)
            if event is not None:
                if not batch.takes(event, self._most):
                    batch = self._flush(batch)
                batch.add(event, line.end.number)
            batch.end = line.end
            self.sent.lines += 1
            if len(batch.skipped) >= self._most:
                batch = self._flush(batch)
        if batch.events or batch.skipped or batch.end != self._keeper.state.place:
            self._flush(batch)

    def _read(self, line: RawLine, batch: _Batch) -> bytes | None:
        try:
            event = event_of(line, self._rules)
        except Skipped as skipped:
            batch.skipped.append(Refusal(line.end.number, skipped.event_id, skipped.code, skipped.message))
            return None
        return None if event is None else msgspec.json.encode(event)

    def _flush(self, batch: _Batch) -> _Batch:
        """Send it, write down what became of it, begin another."""
        refused, sums = list(batch.skipped), self._keeper.state.sums
        if batch.events:
            answer = self._post(batch.body)
            if answer.accepted + answer.duplicates + len(answer.rejected) != len(batch.events):
                raise GaveUp("the answer counts other events than were sent")
            refused += [Refusal(batch.numbers[one.index], one.event_id, one.code, one.message) for one in answer.rejected]
            sums.accepted += answer.accepted
            sums.duplicates += answer.duplicates
            _count(sums.rejected, [one.code for one in answer.rejected])
            self.sent.events += len(batch.events)
        _count(sums.skipped, [one.code for one in batch.skipped])
        sums.seconds = self._before + self.sent.seconds
        self._keeper.keep(batch.end, sorted(refused, key=lambda one: one.line))
        self._progress.show(batch.end.number, self.sent.lines)
        return _Batch(batch.end)

    def _leave_out(self, batch: _Batch, line: RawLine) -> None:
        """The last line has no end yet: whoever writes it may not be done. A later run takes it up."""
        if batch.events or batch.skipped:
            self._flush(batch)
        self.is_unfinished = True
        self._progress.tell(f"line {line.end.number:,} is not complete; it is left for a later run")


@dataclass
class Rehearsal:
    """What a dry run finds: events that would be sent, their tokens by class, lines that would not be, the first event."""

    events: int = 0
    lines: int = 0
    tokens: dict[str, int] = field(default_factory=lambda: dict.fromkeys(TOKEN_NAMES, 0))
    skipped: dict[str, int] = field(default_factory=dict)
    first: Event | None = None


def rehearse(source: Source, rules: Rules, *, first: int) -> Rehearsal:
    """Convert every line from that number on, and send nothing. Raises OSError, EOFError."""
    found = Rehearsal()
    for line in source.lines(Place()):
        if line.end.number < first:
            continue
        found.lines += 1
        try:
            event = event_of(line, rules)
        except Skipped as skipped:
            _count(found.skipped, [skipped.code])
            continue
        if event is not None:
            found.events += 1
            found.first = found.first or event
            for name, amount in _tokens_in(event):
                found.tokens[name] += amount
    return found


def event_of(line: RawLine, rules: Rules) -> Event | None:
    """Its event; None for a blank line. Raises Skipped."""
    if line.is_too_long:
        raise Skipped("line_too_long", "The line is longer than 64 MiB.")
    if not line.content.strip():
        return None
    return convert(line.content, line.end.number, rules)


def _tokens_in(event: Event) -> Iterator[tuple[str, int]]:
    for name in TOKEN_NAMES:
        if isinstance(amount := event.get(name), int):
            yield name, amount


def _is_unfinished(line: RawLine) -> bool:
    """Without a newline and no whole JSON: it is still being written, or was cut off."""
    if not line.is_open or line.is_too_long:
        return False
    try:
        msgspec.json.decode(line.content, type=msgspec.Raw)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return bool(line.content.strip())
    return False


def _count(counted: dict[str, int], codes: list[str]) -> None:
    for code in codes:
        counted[code] = counted.get(code, 0) + 1
