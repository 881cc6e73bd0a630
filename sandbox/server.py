"""The HTTP server: loopback only, one thread per connection, connections kept open."""

import ipaddress
import logging
import socket
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

from sandbox.exchange import Answer, Request, json_answer

log = logging.getLogger("sandbox")

BODY_MAX = 1024 * 1024
IDLE_SECONDS = 60
HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


class NotLoopback(Exception):
    """An address that other machines could reach."""


class Server(ThreadingHTTPServer):
    """Listens on a loopback address. `respond` answers one request; it may block. Port 0 takes a free one."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 512

    def __init__(self, host: str, port: int, respond: Callable[[Request], Answer]) -> None:
        if host != "localhost" and not _is_loopback(host):
            raise NotLoopback(f"the sandbox listens on this machine only, not on {host}")
        self.respond = respond
        self._open: set[socket.socket] = set()
        self._workers: list[threading.Thread] = []
        self._lock = threading.Lock()
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), Handler)

    @property
    def base_url(self) -> str:
        """Where it answers."""
        host, port = str(self.server_address[0]), int(self.server_address[1])
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def process_request(self, request: object, client_address: object) -> None:
        """A thread for the connection, remembered so that stopping can end it."""
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.add(request)
                self._workers = [each for each in self._workers if each.is_alive()]
                thread = threading.Thread(
                    target=self.process_request_thread, args=(request, client_address), daemon=True, name="sandbox-http"
                )
                self._workers.append(thread)
            thread.start()

    def shutdown_request(self, request: object) -> None:
        """The connection ends."""
        if isinstance(request, socket.socket):
            with self._lock:
                self._open.discard(request)
            super().shutdown_request(request)

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that goes away is no error of ours; anything else is logged without what was sent."""
        log.debug("a connection was lost")

    def stop(self) -> None:
        """Listen no more, end open connections, and return when their threads have ended."""
        self.shutdown()
        self.server_close()
        with self._lock:
            open_, threads = list(self._open), list(self._workers)
        for each in open_:
            try:
                each.shutdown(socket.SHUT_RDWR)
            except OSError:
                log.debug("already closed")
        for thread in threads:
            thread.join()


class Handler(BaseHTTPRequestHandler):
    """One connection. Headers and answer leave together: nothing waits for a delayed acknowledgement."""

    protocol_version = "HTTP/1.1"
    server_version = "sandbox"
    sys_version = ""
    timeout = IDLE_SECONDS
    disable_nagle_algorithm = True
    wbufsize = -1
    server: Server

    def _handle(self) -> None:
        started = time.monotonic()
        request = self._read()
        answer = request if isinstance(request, Answer) else self._respond(request)
        path = urlsplit(self.path).path
        spent = (time.monotonic() - started) * 1000
        log.info("%s %s %s %.0fms %s", self.command, path, answer.status, spent, answer.headers.get("Request-Id", "-"))
        if answer.silent:
            self.close_connection = True
        else:
            self._write(answer)
        if answer.then is not None:
            answer.then()

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = _handle  # noqa: N815  The names that http.server looks for.

    def _read(self) -> Request | Answer:
        """The request, or the answer to one that is not taken; then the connection is not used again."""
        length = self.headers.get("Content-Length", "0")
        if "Transfer-Encoding" in self.headers or not (length.isascii() and length.isdigit()) or int(length) > BODY_MAX:
            self.close_connection = True
            return json_answer(413, {"error": f"send a Content-Length of at most {BODY_MAX} bytes"})
        body = self.rfile.read(int(length))
        if not self._is_local():
            return json_answer(403, {"error": "the sandbox answers this machine only, by its own name"})
        parts = urlsplit(self.path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        return Request(self.command, parts.path, parts.query, headers, body)

    def _is_local(self) -> bool:
        """From this machine, under a name of this machine, and not from another site's page: no web page may turn a browser on us."""
        host = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        origin = self.headers.get("Origin")
        own = origin is None or urlsplit(origin).netloc == self.headers.get("Host")
        return _is_loopback(str(self.client_address[0])) and host in HOSTS and own

    def _respond(self, request: Request) -> Answer:
        try:
            return self.server.respond(request)
        except Exception:
            log.exception("the sandbox failed at %s %s", request.method, request.path)
            return json_answer(500, {"error": {"type": "api_error", "message": "The sandbox has a bug; its log has more."}})

    def _write(self, answer: Answer) -> None:
        self.send_response(answer.status)
        self.send_header("Content-Type", answer.content_type)
        self.send_header("Content-Length", str(len(answer.body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(answer.body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  The parent's name.
        """The parent would log the whole request line; ours has no query."""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
