"""
The webhook sender: threads of its own that sign events and post them, and try again when they are not taken.

Events of one act go to an endpoint one after the other, in their order; different acts overlap. The order is no promise, as it is
none at Stripe: who needs one holds deliveries back and releases them.
"""

import hashlib
import hmac
import http.client
import itertools
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

from sandbox.deliveries import DELIVERED, FAILED, HELD, PENDING, Attempt, Delivery, Outbox
from sandbox.ids import Ids
from sandbox.store import Json, Record, Store

log = logging.getLogger("sandbox")

RETRY_SECONDS: tuple[float, ...] = (1, 5, 30, 120, 600, 1800, 3600, 3 * 3600, 6 * 3600, 12 * 3600)
"""How long after a failed try the next one comes; then it gives up. The first are quicker than Stripe's: somebody is watching."""

ANSWER_SECONDS = 20
SENDERS = 8
TICK_SECONDS = 0.5


def signature(secret: str, body: bytes, at: int) -> str:
    """The `Stripe-Signature` header of a body sent at that second."""
    digest = hmac.new(secret.encode(), b"%d.%s" % (at, body), hashlib.sha256).hexdigest()
    return f"t={at},v1={digest}"


class Sender:
    """Sends what the outbox holds. `on_tick` is called twice a second: the sandbox's clock has moved."""

    def __init__(
        self,
        outbox: Outbox,
        ids: Ids,
        on_tick: Callable[[], None],
        retry_seconds: tuple[float, ...] = RETRY_SECONDS,
    ) -> None:
        self.outbox = outbox
        self._store: Store = outbox.store
        self._ids = ids
        self._on_tick = on_tick
        self._retry_seconds = retry_seconds
        self._stopping = threading.Event()
        self._changed = threading.Condition()
        self._awake = False
        self._unanswered: set[str] = set()
        self._under_way: set[int] = set()
        self._pool = ThreadPoolExecutor(SENDERS, thread_name_prefix="sandbox-webhook")
        self._thread = threading.Thread(target=self._loop, name="sandbox-webhooks")

    def start(self) -> None:
        """Begin to send."""
        self._thread.start()

    def stop(self) -> None:
        """Send nothing more; returns when every thread has ended."""
        self._stopping.set()
        self.wake()
        self._thread.join()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def wake(self) -> None:
        """There may be something to send."""
        with self._changed:
            self._awake = True
            self._changed.notify_all()

    def wait_for_answer(self, burst: str) -> None:
        """Send nothing of this act before `answered(burst)`: its answer is still to be written."""
        with self._changed:
            self._unanswered.add(burst)

    def answered(self, burst: str) -> None:
        """The answer has been written."""
        with self._changed:
            self._unanswered.discard(burst)
        self.wake()

    def drain(self, seconds: float) -> bool:
        """Wait until everything is delivered or given up, except what is held back; False if that takes longer."""
        end = time.monotonic() + seconds
        self.wake()
        with self._changed:
            while self._under_way or self._unanswered or self._unsettled():
                left = end - time.monotonic()
                if left <= 0:
                    return False
                self._changed.wait(min(left, 0.05))
        return True

    def _unsettled(self) -> int:
        with self._store.transaction():
            return self.outbox.unsettled()

    def _loop(self) -> None:
        while not self._stopping.is_set():
            with self._changed:
                self._awake = False
            try:
                self._on_tick()
                self._dispatch()
            except Exception:
                log.exception("webhook sender")
            self._sleep()

    def _sleep(self) -> None:
        with self._store.transaction():
            due = self.outbox.next_due()
        seconds = TICK_SECONDS if due is None else max(0.02, min(TICK_SECONDS, due - time.time()))
        with self._changed:
            if not self._awake and not self._stopping.is_set():
                self._changed.wait(seconds)

    def _dispatch(self) -> None:
        with self._store.transaction():
            due = self.outbox.due(time.time())
        with self._changed:
            free = [each for each in due if each.id not in self._under_way and each.burst not in self._unanswered]
            self._under_way |= {each.id for each in free}
        for _, burst in itertools.groupby(sorted(free, key=lambda each: each.burst), key=lambda each: each.burst):
            self._pool.submit(self._send_burst, self._reordered(list(burst)))

    def _reordered(self, burst: list[Delivery]) -> list[Delivery]:
        burst.sort(key=lambda each: each.id)
        match self.outbox.faults.webhooks.reorder:
            case "reverse":
                return burst[::-1]
            case "shuffle":
                by_id = {str(each.id): each for each in burst}
                return [by_id[id_] for id_ in self._ids.shuffled(list(by_id))]
            case _:
                return burst

    def _send_burst(self, burst: list[Delivery]) -> None:
        for delivery in burst:
            try:
                if not self._stopping.is_set():
                    self.send(delivery)
            except Exception:
                log.exception("webhook delivery")
            finally:
                with self._changed:
                    self._under_way.discard(delivery.id)
                    self._changed.notify_all()

    def send(self, delivery: Delivery) -> list[Attempt]:
        """Post one delivery now, with its copies and forgeries, and store what came of it. Blocks until all are answered."""
        with self._store.transaction():
            event, endpoint = self._store.get(delivery.event), self._store.get(delivery.endpoint)
            if event is None or endpoint is None or endpoint.body["status"] != "enabled":
                self.outbox.settle(delivery, FAILED)
                return []
        attempts = self._post_all(delivery, endpoint, body_of(event.body))
        with self._store.transaction():
            for attempt in attempts:
                self.outbox.note(delivery, attempt)
            self._settle(delivery, taken=any(each.accepted for each in attempts if each.what != "forged"))
        return attempts

    def _post_all(self, delivery: Delivery, endpoint: Record, body: bytes) -> list[Attempt]:
        knobs = self.outbox.faults.webhooks
        secret = str(endpoint.private["secret"])
        what = "resent" if delivery.resent else "retry" if delivery.tries else "delivery"
        attempts = [self._post(delivery, endpoint, body, "forged", secret=secret[::-1])] if knobs.forge else []
        names = [what] + ["copy"] * (knobs.duplicate - 1)
        if len(names) == 1:
            return [*attempts, self._post(delivery, endpoint, body, what, secret=secret)]
        barrier = threading.Barrier(len(names))

        def copy(name: str) -> Attempt:
            barrier.wait()
            return self._post(delivery, endpoint, body, name, secret=secret)

        with ThreadPoolExecutor(len(names), thread_name_prefix="sandbox-copy") as pool:
            return attempts + list(pool.map(copy, names))

    def _post(self, delivery: Delivery, endpoint: Record, body: bytes, what: str, *, secret: str) -> Attempt:
        """One request. The signature's time is the machine's, since the receiver compares it with its own."""
        at = time.time()
        status, error = post(str(endpoint.body["url"]), body, signature(secret, body, int(at)))
        log.info("webhook %s %s %s %s", delivery.type, delivery.event, what, status or error)
        return Attempt(delivery.event, delivery.type, delivery.endpoint, what, status, error, at)

    def _settle(self, delivery: Delivery, *, taken: bool) -> None:
        if taken:
            if delivery.state != DELIVERED:
                self._count_down(delivery.event)
            self.outbox.settle(delivery, DELIVERED)
        elif delivery.state == DELIVERED or delivery.tries >= len(self._retry_seconds):
            self.outbox.settle(delivery, delivery.state if delivery.state == DELIVERED else FAILED)
        else:
            self.outbox.settle(delivery, PENDING, time.time() + self._retry_seconds[delivery.tries])

    def _count_down(self, event: str) -> None:
        """One endpoint fewer has yet to take this event."""
        record = self._store.get(event)
        if record is not None and record.body["pending_webhooks"] > 0:
            record.body["pending_webhooks"] -= 1
            self._store.update(record)

    def release(self, order: Iterable[str] | None = None) -> list[Attempt]:
        """
        Send what is held back, one after the other, and return when all is answered.
        With `order`, the deliveries of exactly these events in exactly this order (an event may be named again), and the rest stays held.
        """
        if order is None:
            self.outbox.faults.holding = False
        with self._store.transaction():
            events = list(dict.fromkeys(each.event for each in self.outbox.held())) if order is None else list(order)
        attempts = []
        for event in events:
            with self._store.transaction():
                deliveries = self.outbox.of_event(event)
            for delivery in deliveries:
                if order is not None or delivery.state == HELD:
                    attempts += self.send(delivery)
        self.wake()
        return attempts


def body_of(event: Json) -> bytes:
    """An event as it is sent: these bytes are signed, and nothing else."""
    return json.dumps(event, indent=2).encode()


def post(url: str, body: bytes, signed: str) -> tuple[int | None, str | None]:
    """Post a signed body; what was answered, or why nothing was. Redirects are not followed."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.hostname or "", parts.port, timeout=ANSWER_SECONDS)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    headers = {"Content-Type": "application/json; charset=utf-8", "User-Agent": "Stripe/1.0 (sandbox)", "Stripe-Signature": signed}
    try:
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        return None, type(error).__name__
    else:
        return answer.status, None
    finally:
        connection.close()
