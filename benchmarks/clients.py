"""
Many clients in one thread: raw keep-alive connections, prepared bytes, one selector.

A thread and `http.client` for each would cost the server half of its cores. A client is a generator: it yields a request and is sent
the answer's body; the next request follows at once, until it has no more or the time is over.
"""

import selectors
import socket
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Final

_SUCCESS: Final = b"HTTP/1.1 2"
_LENGTH: Final = b"content-length:"
_CHUNK: Final = 65_536


@dataclass(frozen=True, slots=True)
class Ask:
    """One request as it goes over the wire, and what it is counted as."""

    name: str
    wire: bytes


Script = Generator[Ask, bytes, None]


@dataclass
class Traffic:
    """What was answered within the time that it lasted: each answer's seconds, by name."""

    lasted: float
    seconds: dict[str, list[float]]

    @property
    def answered(self) -> int:
        """How many."""
        return sum(map(len, self.seconds.values()))

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.answered / self.lasted

    def latency(self, name: str) -> tuple[float, float]:
        """Median and 99th percentile, in milliseconds."""
        cuts = quantiles(self.seconds[name], n=100)
        return cuts[49] * 1000, cuts[98] * 1000


@dataclass(slots=True)
class _Client:
    script: Script
    connection: socket.socket
    asked: Ask
    sent_at: float = 0.0
    received: bytearray = field(default_factory=bytearray)

    def send(self) -> None:
        self.sent_at = time.perf_counter()
        self.connection.sendall(self.asked.wire)

    def receive(self) -> bytes | None:
        """The answer's body once it is whole. Raises RuntimeError where it is no success."""
        piece = self.connection.recv(_CHUNK)
        self.received += piece
        head = self.received.find(b"\r\n\r\n")
        if piece and (head < 0 or len(self.received) < head + 4 + _length(self.received[:head])):
            return None
        answer = bytes(self.received)
        self.received.clear()
        if not answer.startswith(_SUCCESS):
            raise RuntimeError(f"{self.asked.name}: {answer[:600].decode(errors='replace')}")
        return answer[head + 4 :]


def post(path: str, body: bytes, authorization: str = "") -> bytes:
    """A request's bytes."""
    bearer = f"Authorization: Bearer {authorization}\r\n" if authorization else ""
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def run(port: int, scripts: list[Script], seconds: float) -> Traffic:
    """Every client at once for so long; what is on its way at the end is still awaited, and not counted."""
    clients = [_Client(script, _connect(port), next(script)) for script in scripts]
    times: dict[str, list[float]] = {}
    with selectors.DefaultSelector() as selector:
        for client in clients:
            selector.register(client.connection, selectors.EVENT_READ, client)
        end = time.perf_counter() + seconds
        for client in clients:
            client.send()
        _drive(selector, times, end)
    for client in clients:
        client.connection.close()
    return Traffic(seconds, times)


def _drive(selector: selectors.BaseSelector, times: dict[str, list[float]], end: float) -> None:
    while selector.get_map():
        ready = selector.select(30)
        if not ready:
            raise RuntimeError("no answer within 30 seconds")
        for key, _ in ready:
            client: _Client = key.data
            body = client.receive()
            if body is None:
                continue
            now = time.perf_counter()
            if now > end:
                selector.unregister(client.connection)
                continue
            times.setdefault(client.asked.name, []).append(now - client.sent_at)
            try:
                client.asked = client.script.send(body)
            except StopIteration:
                selector.unregister(client.connection)
            else:
                client.send()


def _connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port), timeout=60)
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return connection


def _length(head: bytearray) -> int:
    lines = (line for line in head.lower().split(b"\r\n") if line.startswith(_LENGTH))
    return int(next(lines)[len(_LENGTH) :])
