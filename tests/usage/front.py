"""A server in front of the platform that forwards what it is asked, unless its script says otherwise: real HTTP, as a bad day has it."""

import http.client
import http.server
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

PASS: Final = "pass"
HANG_UP: Final = "hang up"
HANG_UP_AFTER: Final = "hang up after"
"""The platform has booked the batch, and nobody hears of it."""
KILL_BEFORE: Final = "kill before"
KILL_AFTER: Final = "kill after"
KILL_ANSWERED: Final = "kill when answered"


@dataclass
class Front:
    """Where it is; what it does with each request, in turn, before it passes the rest; whom it kills; bodies that came."""

    url: str = ""
    script: list[object] = field(default_factory=list)
    victim: int = 0
    bodies: list[bytes] = field(default_factory=list)


@contextmanager
def running_front(platform_url: str) -> Iterator[Front]:
    """Before the platform at this URL."""
    front = Front()
    port = urlsplit(platform_url).port or 80
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"front": front, "behind": port}))
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    front.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield front
    finally:
        server.shutdown()
        server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    front: Front
    behind: int

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.front.bodies.append(body)
        act = self.front.script.pop(0) if self.front.script else PASS
        if isinstance(act, tuple):
            return self._answer(*act)
        if act in (HANG_UP, KILL_BEFORE):
            return self._leave(act)
        status, content = _forward(self.behind, self.path, body, self.headers["Authorization"])
        if act in (HANG_UP_AFTER, KILL_AFTER):
            return self._leave(act)
        self._answer(status, {}, content)
        if act == KILL_ANSWERED:
            os.kill(self.front.victim, signal.SIGKILL)
        return None

    def _answer(self, status: int, headers: dict[str, str], content: bytes = b'{"code":"made_up"}') -> None:
        self.send_response_only(status)  # Without a Date of its own.
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def _leave(self, act: object) -> None:
        if act in (KILL_BEFORE, KILL_AFTER):
            os.kill(self.front.victim, signal.SIGKILL)
        self.close_connection = True

    def log_message(self, *_: object) -> None:
        """Nothing."""


def _forward(port: int, path: str, body: bytes, authorization: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("POST", path, body, {"Authorization": authorization, "Content-Type": "application/json"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
