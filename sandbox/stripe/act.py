"""One act: everything that a request, a page or the clock does at one second, committed together."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox.clock import Clock
from sandbox.deliveries import Outbox
from sandbox.ids import Ids
from sandbox.store import Json, Record, Store
from sandbox.stripe import API_VERSION
from sandbox.stripe.errors import missing
from sandbox.webhooks import Sender


@dataclass
class World:
    """What an act acts on. `due` says, per kind of object, what happens when its `due_at` has come."""

    store: Store
    clock: Clock
    ids: Ids
    outbox: Outbox
    base_url: str
    api_key: str
    due: "Mapping[str, Callable[[Act, Record], None]]" = field(default_factory=dict)
    sender: Sender | None = None

    def catch_up(self) -> None:
        """Let happen what is due by now, each at its own second."""
        with self.store.transaction():
            while (record := self.store.due(self.clock.now())) is not None:
                act = Act(self, now=record.due_at or 0, burst=self.ids.new("burst_"))
                record.due_at = None
                self.due[record.kind](act, record)
        self.wake()

    def wake(self) -> None:
        """Events may have happened: let the sender look."""
        if self.sender is not None:
            self.sender.wake()


@dataclass
class Act:
    """The present second, and what an act may do: find, add and save objects, and say what happened."""

    world: World
    now: int
    burst: str
    request_id: str | None = None
    key: str | None = None

    def new_id(self, prefix: str, length: int = 24) -> str:
        """A new name."""
        return self.world.ids.new(prefix, length)

    def find(self, kind: str, id_: object, param: str = "id", status: int = 400) -> Record:
        """The object of that kind and name. Raises `resource_missing`, also for a deleted one; `status` as in `missing`."""
        record = self.world.store.get(str(id_))
        if record is None or record.kind != kind or record.private.get("deleted"):
            raise missing(kind, str(id_), param, status)
        return record

    def add(self, record: Record) -> Record:
        """Store a new object."""
        self.world.store.insert(record, int(record.body.get("created", self.now)))
        return record

    def save(self, record: Record) -> None:
        """Store what an object has become."""
        self.world.store.update(record)

    def emit(self, event_type: str, record: Record, previous: Json | None = None) -> None:
        """Say what happened to an object. The event keeps the object as it is now, whatever becomes of it."""
        data: Json = {"object": record.body} | ({"previous_attributes": previous} if previous is not None else {})
        receivers = self.world.outbox.receivers(event_type)
        body: Json = {
            "id": self.new_id("evt_1", 23),
            "object": "event",
            "api_version": API_VERSION,
            "created": self.now,
            "data": data,
            "livemode": False,
            "pending_webhooks": len(receivers),
            "request": {"id": self.request_id, "idempotency_key": self.key},
            "type": event_type,
        }
        self.add(Record(body))
        self.world.outbox.put(body, receivers, self.burst)

    def change(self, event_type: str, record: Record, before: Json) -> None:
        """Save an object and say which of its fields were different before; nothing is said if none was."""
        self.save(record)
        previous = {name: before.get(name) for name in {**before, **record.body} if before.get(name) != record.body.get(name)}
        if previous:
            self.emit(event_type, record, previous)


@contextmanager
def acting(world: World, *, request_id: str | None = None, key: str | None = None, burst: str | None = None) -> Iterator[Act]:
    """An act at the present second, after everything that was due before it. Nothing of it stays if it raises."""
    world.catch_up()
    with world.store.transaction():
        yield Act(world, now=world.clock.now(), burst=burst or world.ids.new("burst_"), request_id=request_id, key=key)
    if burst is None:
        world.wake()
