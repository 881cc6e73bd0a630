"""A slow way to the provider, which looks at the database while somebody waits in it."""

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Self

import psycopg

from launcher import ports
from tests.scenarios.machine import PATIENCE_SECONDS

NOBODY_ELSE_SECONDS: Final = 0.3
OPEN: Final = """
SELECT pid, xact_start::text, state || ': ' || query FROM pg_stat_activity
WHERE datname = 'billing' AND backend_type = 'client backend' AND xact_start IS NOT NULL AND pid <> pg_backend_pid()
UNION ALL
SELECT pid, objid::text, 'holds an advisory lock' FROM pg_locks WHERE locktype = 'advisory' AND granted
"""
"""Transactions that have begun and not ended, and advisory locks, which may outlive them: who, which, and in what words."""

Claim = tuple[int, str]


class Turnstile:
    """
    Stands between the product and its provider, and holds every request twice: before it reaches the provider, and before the answer
    comes back. It lets nobody on before it has seen every transaction end that was open while they were held.

    A request that is held does nothing, so a transaction of its own would never end: then `offences` says what was seen. Others may
    come and go meanwhile, and their transactions end by themselves. So nothing is measured, and load makes no difference.
    """

    def __init__(self, provider_port: int, database_url: str) -> None:
        self.offences: list[str] = []
        self.most_at_once = self.looks = 0
        self.expected = 1
        self._provider_port, self._database_url = provider_port, database_url
        self._held: list[threading.Event] = []
        self._changed = threading.Condition()
        self._stopping = threading.Event()
        self._server = _Server((ports.HOST, 0), _Handler)
        self._server.turnstile = self
        self._threads = [threading.Thread(target=self._server.serve_forever, args=(0.05,)), threading.Thread(target=self._keep)]

    @property
    def address(self) -> str:
        """Where the product shall look for its provider."""
        return f"http://{ports.HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        for thread in self._threads:
            thread.join()

    @contextmanager
    def expecting(self, company: int) -> Iterator[None]:
        """Wait for so many to be held together, unless nobody else comes."""
        self.expected = company
        yield
        self.expected = 1

    def pass_on(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, dict[str, str]]:
        """One request, held, and its answer, held."""
        self._wait()
        connection = http.client.HTTPConnection(ports.HOST, self._provider_port, timeout=PATIENCE_SECONDS)
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        self._wait()
        return answer.status, content, dict(answer.headers)

    def _wait(self) -> None:
        go = threading.Event()
        with self._changed:
            self._held.append(go)
            self._changed.notify_all()
        go.wait(PATIENCE_SECONDS)

    def _keep(self) -> None:
        with psycopg.connect(self._database_url, autocommit=True) as connection:
            while not self._stopping.is_set():
                held = self._gathered()
                if held and not self.offences:  # One is enough: each takes long to be sure of.
                    self._look(connection)
                for go in held:
                    go.set()

    def _gathered(self) -> list[threading.Event]:
        """Those who are held by now: as many as are expected, or all who came until nobody came for a while."""
        with self._changed:
            before = -1
            while before < len(self._held) < self.expected:
                before = len(self._held)
                self._changed.wait(NOBODY_ELSE_SECONDS)
            held, self._held = self._held, []
            self.most_at_once = max(self.most_at_once, len(held))
            return held

    def _look(self, connection: psycopg.Connection[Any]) -> None:
        self.looks += 1
        claims = _claims(connection)
        deadline = time.monotonic() + PATIENCE_SECONDS / 4
        while claims:
            if time.monotonic() > deadline:
                self.offences += claims.values()
                return
            time.sleep(0.005)
            now = _claims(connection)
            claims = {claim: words for claim, words in claims.items() if claim in now}


def _claims(connection: psycopg.Connection[Any]) -> dict[Claim, str]:
    return {(pid, which): words for pid, which, words in connection.execute(OPEN.encode()).fetchall()}


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512
    turnstile: Turnstile


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._pass_on()

    def do_POST(self) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        kept = {name: value for name, value in self.headers.items() if name.lower() not in {"host", "connection"}}
        status, content, headers = self.server.turnstile.pass_on(self.command, self.path, body, kept)
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in {"connection", "server", "date"}:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The parent's name.
        """The provider has a log of its own."""
