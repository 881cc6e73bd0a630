"""A running sandbox: the server, the sender, and everything that a test or a person may do to it from outside."""

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from sandbox import control, index, pages
from sandbox.clock import Clock
from sandbox.deliveries import Attempt, Delivery, Outbox
from sandbox.exchange import Answer, Exchange, Request
from sandbox.faults import ApiFault, Faults, WebhookFaults
from sandbox.ids import Ids
from sandbox.server import Server
from sandbox.store import MEMORY, Json, Store
from sandbox.stripe import checkout, checkout_page, webhook_endpoints
from sandbox.stripe.act import World, acting
from sandbox.stripe.api import Api
from sandbox.stripe.routes import DUE
from sandbox.webhooks import RETRY_SECONDS, Sender

TEST_KEY = re.compile(r"sk_test_[A-Za-z0-9]{24,}")
HOST = "127.0.0.1"


class NotATestKey(Exception):
    """The key is a live one, or no key of Stripe's form. It is not repeated here."""


@dataclass
class Sandbox:
    """
    A running sandbox. Its API is at `base_url`, under `api_key`.

    Every method here also exists over HTTP (the package's docstring lists them); nothing here goes through the API.
    """

    base_url: str
    api_key: str = field(repr=False)
    world: World = field(repr=False)
    faults: Faults = field(repr=False)
    sender: Sender = field(repr=False)
    stopping: threading.Event = field(repr=False)
    """Set when it ends: every delay on purpose is over then."""
    exchanges: list[Exchange] = field(default_factory=list, repr=False)
    """Every request to the API with its answer, if it was started with `record=True`."""

    def now(self) -> int:
        """The present second of its clock."""
        return self.world.clock.now()

    def advance(self, seconds: int) -> int:
        """Move its clock; what became due has happened when this returns. The new present."""
        self.world.clock.advance(seconds)
        return self._moved()

    def set_time(self, instant: int) -> int:
        """Set its clock, likewise."""
        self.world.clock.set(instant)
        return self._moved()

    def _moved(self) -> int:
        with self.world.store.transaction():
            self.world.store.set_setting("clock_offset", str(self.world.clock.offset))
        self.world.catch_up()
        return self.now()

    def webhook_faults(self, faults: WebhookFaults) -> None:
        """From now on deliveries go wrong like this."""
        self.faults.set_webhooks(faults)

    def api_fault(self, fault: ApiFault) -> None:
        """One more rule for requests to the API."""
        self.faults.add_api(fault)

    def clear_faults(self) -> None:
        """No faults any more."""
        self.faults.clear()

    def add_webhook(self, url: str, enabled_events: tuple[str, ...] = ("*",), secret: str | None = None) -> str:
        """Register an endpoint; its secret."""
        with acting(self.world) as act:
            return str(webhook_endpoints.new(act, url, list(enabled_events), secret=secret).private["secret"])

    def hold(self) -> None:
        """Hold back every delivery of events that happen from now on."""
        self.faults.holding = True

    def held(self) -> list[Json]:
        """The events whose deliveries are held back, in their order."""
        with self.world.store.transaction():
            ids = dict.fromkeys(each.event for each in self.world.outbox.held())
            found = [self.world.store.get(id_) for id_ in ids]
        return [each.body for each in found if each is not None]

    def release(self, order: list[str] | None = None) -> list[Attempt]:
        """
        Send what is held back, one after the other; returns when the receiver has answered each.
        With `order` (event ids, also repeated): exactly these, in exactly this order; the rest stays held, and so does what comes.
        """
        return self.sender.release(order)

    def resend(self, event_id: str) -> None:
        """Send an event once more to every endpoint that wants its type. Raises KeyError for an unknown one."""
        event = self.stored(event_id)
        with self.world.store.transaction():
            outbox = self.world.outbox
            outbox.put_again(event, outbox.receivers(event["type"]), self.world.ids.new("burst_"))
        self.sender.wake()

    def retry(self) -> None:
        """Try at once what waits for its next try, or is delayed."""
        with self.world.store.transaction():
            self.world.outbox.hurry()
        self.sender.wake()

    def drain(self, seconds: float = 30) -> bool:
        """Wait until everything is delivered or given up, except what is held back. False if that takes longer."""
        return self.sender.drain(seconds)

    def deliveries(self) -> list[Delivery]:
        """Every delivery, oldest first, also dropped and held ones."""
        with self.world.store.transaction():
            return self.world.outbox.all()

    def attempts(self) -> list[Attempt]:
        """Every request that was sent to an endpoint, oldest first."""
        with self.world.store.transaction():
            return self.world.outbox.attempts()

    def events(self, *types: str) -> list[Json]:
        """Every event, oldest first; with types, only of these."""
        with self.world.store.transaction():
            found = self.world.store.newest("event", limit=100_000, oldest=True)
        return [each.body for each in found if not types or each.body["type"] in types]

    def stored(self, id_: str) -> Json:
        """An object as the API shows it. Raises KeyError."""
        with self.world.store.transaction():
            record = self.world.store.get(id_)
        if record is None:
            raise KeyError(id_)
        return record.body

    def tamper(self, id_: str, **changed: object) -> Json:
        """Overwrite fields of an object, whatever they are, without an event. Raises KeyError."""
        with self.world.store.transaction():
            record = self.world.store.get(id_)
            if record is None:
                raise KeyError(id_)
            record.body |= changed
            self.world.store.update(record)
        return record.body

    def end_debit(self, id_: str, *, settled: bool) -> Json:
        """Let a bank debit arrive or come back, named by its payment intent or its session. Raises KeyError if none is under way."""
        named = self.stored(id_)
        with acting(self.world) as act:
            intent = self.world.store.get(str(named["payment_intent"] if named["object"] == "checkout.session" else id_))
            if intent is None or intent.body.get("status") != "processing":
                raise KeyError(id_)
            checkout.end_debit(act, intent, settled=settled)
        return intent.body


@contextmanager
def running(
    *,
    api_key: str,
    data: str = MEMORY,
    webhook_url: str | None = None,
    webhook_secret: str | None = None,
    host: str = HOST,
    port: int = 0,
    seed: str | None = None,
    record: bool = False,
    retry_seconds: tuple[float, ...] = RETRY_SECONDS,
) -> Iterator[Sandbox]:
    """
    A sandbox that answers while inside; every thread of it has ended afterwards, and a data file can be opened again.

    `data` is a file, or memory. `webhook_url` is registered for every event; a later start with the same file moves it. `seed` repeats ids.
    `record` keeps every exchange with the API. Raises NotATestKey, NotLoopback, WrongFile, or OSError for a port that is taken.
    """
    if not TEST_KEY.fullmatch(api_key):
        raise NotATestKey("the sandbox takes a key of the form sk_test_ and 24 or more letters and digits, and never a live one")
    store = Store(data)
    try:
        clock, ids = _prepared(store, seed)
        with _serving(store, clock, ids, api_key, (host, port), retry_seconds=retry_seconds, record=record) as sandbox:
            if webhook_url is not None:
                _register(sandbox, webhook_url, webhook_secret)
            yield sandbox
    finally:
        store.close()


@contextmanager
def _serving(
    store: Store, clock: Clock, ids: Ids, api_key: str, place: tuple[str, int], *, retry_seconds: tuple[float, ...], record: bool
) -> Iterator[Sandbox]:
    stopping = threading.Event()
    faults = Faults()
    outbox = Outbox(store, faults)
    server = Server(*place, lambda request: _respond(sandbox, api, request))
    world = World(store, clock, ids, outbox, server.base_url, api_key, due=DUE)
    sender = world.sender = Sender(outbox, ids, world.catch_up, retry_seconds)
    sandbox = Sandbox(server.base_url, api_key, world, faults, sender, stopping)
    api = Api(world, faults, stopping, sandbox.exchanges.append if record else None)
    sender.start()
    listener = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, name="sandbox-server")
    listener.start()
    try:
        yield sandbox
    finally:
        stopping.set()
        server.stop()
        listener.join()
        sender.stop()


def _prepared(store: Store, seed: str | None) -> tuple[Clock, Ids]:
    """The clock as it was left, and ids that a repeated start does not repeat. Makes the account at the first start."""
    with store.transaction():
        starts = int(store.setting("starts") or 0) + 1
        store.set_setting("starts", str(starts))
        clock = Clock(int(store.setting("clock_offset") or 0))
        ids = Ids(None if seed is None else f"{seed} {starts}")
        if store.setting("account") is None:
            store.set_setting("account", ids.new("acct_1", 15))
            store.set_setting("account_created", str(clock.now()))
    return clock, ids


def _register(sandbox: Sandbox, url: str, secret: str | None) -> None:
    """The endpoint named at the start: one per file, so that a restart elsewhere moves it. It takes a new secret, if one is named."""
    with acting(sandbox.world) as act:
        for endpoint in sandbox.world.store.newest("webhook_endpoint", limit=1000):
            if endpoint.private.get("from_start") and not endpoint.private.get("deleted"):
                endpoint.body["url"] = url
                endpoint.private["secret"] = secret or endpoint.private["secret"]
                act.save(endpoint)
                return
        made = webhook_endpoints.new(act, url, ["*"], secret=secret)
        made.private["from_start"] = True
        act.save(made)


def _respond(sandbox: Sandbox, api: Api, request: Request) -> Answer:
    if request.path.startswith("/v1/"):
        return api.answer(request)
    if request.path.startswith("/_sandbox/"):
        return control.answer(sandbox, request)
    if request.path.startswith("/c/"):
        return checkout_page.answer(sandbox.world, request)
    if request.path == "/" and request.method == "GET":
        return index.answer(sandbox)
    return pages.message("Nothing here", "There is no such page in the sandbox.", 404, back="/", back_text="What there is")
