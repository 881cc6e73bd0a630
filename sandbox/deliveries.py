"""Deliveries as rows: what is to be sent to whom, and what came of each try. Rows survive a restart."""

import fnmatch
import time
from dataclasses import dataclass
from typing import Any

from sandbox.faults import Faults
from sandbox.store import Filter, Json, Record, Store

PENDING, HELD, DELIVERED, FAILED, DROPPED = "pending", "held", "delivered", "failed", "dropped"


@dataclass(frozen=True)
class Delivery:
    """One event on its way to one endpoint. `burst`: the act that made the event; `tries`: how often it was sent so far."""

    id: int
    event: str
    type: str
    endpoint: str
    burst: str
    state: str
    resent: bool
    tries: int
    due_at: float


@dataclass(frozen=True)
class Attempt:
    """
    One request to an endpoint. `what`: `delivery`, `copy`, `retry`, `resent` or `forged`.
    `status`: what was answered, None if nothing was; then `error` says why.
    """

    event: str
    type: str
    endpoint: str
    what: str
    status: int | None
    error: str | None
    sent_at: float

    @property
    def accepted(self) -> bool:
        """Whether the receiver said 2xx."""
        return self.status is not None and 200 <= self.status <= 299  # noqa: PLR2004  HTTP's own numbers.


COLUMNS = "id, event, type, endpoint, burst, state, resent, tries, due_at"


class Outbox:
    """Writes and reads deliveries. Its callers are in a transaction of the store."""

    def __init__(self, store: Store, faults: Faults) -> None:
        self.store = store
        self.faults = faults

    def receivers(self, event_type: str) -> list[Record]:
        """The endpoints that want events of this type, oldest first."""
        enabled = Filter("json_extract(body, '$.status') = ?", "enabled")
        endpoints = self.store.newest("webhook_endpoint", [enabled], limit=1000, oldest=True)
        return [each for each in endpoints if wants(each.body["enabled_events"], event_type)]

    def put(self, event: Json, receivers: list[Record], burst: str) -> None:
        """One delivery per receiver, as the knobs say: held, dropped, late."""
        for endpoint in receivers:
            state = HELD if self.faults.holding else PENDING
            if self.faults.take_drop(event["type"]):
                state = DROPPED
            self._insert(event, endpoint.id, burst, state, delay=self.faults.webhooks.delay_seconds)

    def put_again(self, event: Json, receivers: list[Record], burst: str) -> None:
        """Send a known event once more, whatever the knobs drop."""
        for endpoint in receivers:
            self._insert(event, endpoint.id, burst, HELD if self.faults.holding else PENDING, resent=True)

    def _insert(self, event: Json, endpoint: str, burst: str, state: str, *, delay: float = 0, resent: bool = False) -> None:
        sql = "INSERT INTO delivery (event, type, endpoint, burst, state, resent, tries, due_at) VALUES (?, ?, ?, ?, ?, ?, 0, ?)"
        self.store.run(sql, event["id"], event["type"], endpoint, burst, state, resent, time.time() + delay)

    def due(self, now: float) -> list[Delivery]:
        """What is to be sent by now, in the order of the events."""
        rows = self.store.run(f"SELECT {COLUMNS} FROM delivery WHERE state = 'pending' AND due_at <= ? ORDER BY id", now)  # noqa: S608
        return [_delivery(row) for row in rows]

    def next_due(self) -> float | None:
        """When the next delivery is due."""
        value = self.store.run("SELECT min(due_at) FROM delivery WHERE state = 'pending'")[0][0]
        return None if value is None else float(value)

    def unsettled(self) -> int:
        """How many deliveries are still to be sent; those held back do not count."""
        return int(self.store.run("SELECT count(*) FROM delivery WHERE state = 'pending'")[0][0])

    def hurry(self) -> None:
        """Whatever waits for its next try is due now."""
        self.store.run("UPDATE delivery SET due_at = 0 WHERE state = 'pending'")

    def of_event(self, event: str) -> list[Delivery]:
        """The deliveries of one event, whatever became of them."""
        return [_delivery(row) for row in self.store.run(f"SELECT {COLUMNS} FROM delivery WHERE event = ? ORDER BY id", event)]  # noqa: S608

    def held(self) -> list[Delivery]:
        """What is held back, in the order of the events."""
        return [_delivery(row) for row in self.store.run(f"SELECT {COLUMNS} FROM delivery WHERE state = 'held' ORDER BY id")]  # noqa: S608

    def settle(self, delivery: Delivery, state: str, due_at: float = 0) -> None:
        """What became of a delivery that was tried; `due_at` is when it is tried again."""
        self.store.run("UPDATE delivery SET state = ?, tries = tries + 1, due_at = ? WHERE id = ?", state, due_at, delivery.id)

    def note(self, delivery: Delivery, attempt: Attempt) -> None:
        """Record one request and what came of it."""
        sql = "INSERT INTO attempt (delivery, sent_at, what, status, error) VALUES (?, ?, ?, ?, ?)"
        self.store.run(sql, delivery.id, attempt.sent_at, attempt.what, attempt.status, attempt.error)

    def attempts(self, limit: int = 10_000) -> list[Attempt]:
        """Every request that was sent, oldest first; the last so many."""
        sql = """
            SELECT event, type, endpoint, what, status, error, sent_at FROM (
                SELECT attempt.id, event, type, endpoint, what, status, error, sent_at
                FROM attempt JOIN delivery ON delivery.id = attempt.delivery ORDER BY attempt.id DESC LIMIT ?
            ) ORDER BY id
        """
        return [Attempt(*row) for row in self.store.run(sql, limit)]

    def all(self, limit: int = 10_000) -> list[Delivery]:
        """Every delivery, oldest first; the last so many."""
        rows = self.store.run(f"SELECT {COLUMNS} FROM delivery ORDER BY id DESC LIMIT ?", limit)  # noqa: S608  Constant columns.
        return [_delivery(row) for row in reversed(rows)]


def wants(enabled: list[str], event_type: str) -> bool:
    """Whether an endpoint that is subscribed like this wants such events."""
    return any(fnmatch.fnmatchcase(event_type, pattern) for pattern in enabled)


def _delivery(row: tuple[Any, ...]) -> Delivery:
    id_, event, type_, endpoint, burst, state, resent, tries, due_at = row
    return Delivery(id_, event, type_, endpoint, burst, state, bool(resent), tries, due_at)
