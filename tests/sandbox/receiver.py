"""A merchant's webhook endpoint: it keeps what it is sent and answers what it is told to."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import stripe

SECRET = "whsec_" + "s" * 32


@dataclass(frozen=True)
class Delivery:
    """One request as it came."""

    body: bytes
    signature: str

    @property
    def event(self) -> Any:
        """The event, verified as the merchant would: raises for a signature that is not ours."""
        return stripe.Webhook.construct_event(self.body, self.signature, SECRET)

    @property
    def is_true(self) -> bool:
        """Whether the signature is ours."""
        try:
            assert self.event
        except stripe.SignatureVerificationError:
            return False
        return True


@dataclass
class Receiver:
    """Where the endpoint is, what came, in order, and what it answers: the next of `answers`, then 200."""

    url: str
    deliveries: list[Delivery] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)

    @property
    def types(self) -> list[str]:
        """The types of the true events that came, in order."""
        return [each.event["type"] for each in self.deliveries if each.is_true]


@contextmanager
def receiving() -> Iterator[Receiver]:
    """An endpoint that listens while inside."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.deliveries.append(Delivery(body, self.headers["Stripe-Signature"]))
            self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    class Server(ThreadingHTTPServer):
        request_queue_size = 256

    with Server(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_address[1]}/hook")
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()
