"""One HTTP connection to the platform, kept open; what may pass by itself is tried again."""

import http.client
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from email.message import Message
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import SplitResult, urlsplit

import msgspec

EVENTS_PATH: Final = "/v1/usage/events"
WAIT_MAX_SECONDS: Final = 60.0
RETRY_AFTER_MAX_SECONDS: Final = 600.0
NAP_SECONDS: Final = 1.0
_OK: Final = 200
_TOO_MANY: Final = 429
_SERVER_ERRORS: Final = 500


class GaveUp(Exception):
    """The platform cannot be reached, or refuses the batch as a whole. Nothing more is sent."""


class Rejected(msgspec.Struct, frozen=True):
    """An event that was not booked: its place in the batch."""

    index: int
    event_id: str | None
    code: str
    message: str


class Answer(msgspec.Struct, frozen=True):
    """What became of a batch."""

    accepted: int
    duplicates: int
    rejected: list[Rejected]


class _Again(Exception):
    """What went wrong may pass; and how long the server asks to wait, in seconds."""

    def __init__(self, message: str, wait: float | None = None) -> None:
        super().__init__(message)
        self.wait = wait


@dataclass(frozen=True)
class Patience:
    """How often a batch is tried again, from which wait on (seconds, doubled each time), and how long an answer may take."""

    retries: int
    backoff: float
    timeout: float


class Platform:
    """Where events are sent."""

    def __init__(self, url: str, key: str, patience: Patience, tell: Callable[[str], None]) -> None:
        """`tell` hears of each try that failed. Raises ValueError where the URL is none."""
        self._url = _checked(url)
        self._path = events_path(self._url)
        self._headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json", "User-Agent": "usage-send"}
        self._patience = patience
        self._tell = tell
        self._connection: http.client.HTTPConnection | None = None

    def post(self, body: bytes) -> Answer:
        """Send a batch until it is answered; a repeat is charged once. Raises GaveUp."""
        for tried in range(self._patience.retries + 1):
            try:
                return self._try(body)
            except _Again as again:
                self.close()
                if tried == self._patience.retries:
                    raise GaveUp(f"{again}; tried {tried + 1} times") from again
                wait = again.wait if again.wait is not None else self._wait(tried)
                self._tell(f"{again}; the batch is sent again in {wait:.1f} s")
                _sleep(wait)
        raise AssertionError

    def close(self) -> None:
        """Hang up."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _try(self, body: bytes) -> Answer:
        try:
            status, content, wait = self._ask(body)
        except (OSError, http.client.HTTPException) as error:
            raise _Again(f"no answer ({type(error).__name__}: {error})"[:200]) from error
        if status == _TOO_MANY or status >= _SERVER_ERRORS:
            raise _Again(f"the platform answered {status} {_code_in(content)}".strip(), wait)
        if status != _OK:
            raise GaveUp(f"the platform answered {status} {_code_in(content)}".strip())
        try:
            return msgspec.json.decode(content, type=Answer)
        except msgspec.MsgspecError as error:
            raise GaveUp("the answer is not that of the platform; look at --url") from error

    def _ask(self, body: bytes) -> tuple[int, bytes, float | None]:
        """Status, body, and how long to wait. A server hangs up on an idle connection: that is no reason to wait for another."""
        was_used, connection = self._connection is not None, self._connected()
        try:
            return _asked(connection, self._path, body, self._headers)
        except ConnectionError:
            if not was_used:
                raise
            self.close()
            return _asked(self._connected(), self._path, body, self._headers)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            kind = http.client.HTTPSConnection if self._url.scheme == "https" else http.client.HTTPConnection
            self._connection = kind(self._url.hostname or "", self._url.port, timeout=self._patience.timeout)
        return self._connection

    def _wait(self, tried: int) -> float:
        """Twice as long each time, and never all senders at once."""
        return min(WAIT_MAX_SECONDS, self._patience.backoff * float(2**tried)) * random.uniform(0.5, 1.0)  # noqa: S311 - jitter


def _sleep(seconds: float) -> None:
    """Wait, a second at a time: a signal that comes just before the machine begins to sleep is only heard when it has slept."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        time.sleep(min(left, NAP_SECONDS))


def _asked(connection: http.client.HTTPConnection, path: str, body: bytes, headers: dict[str, str]) -> tuple[int, bytes, float | None]:
    connection.request("POST", path, body, headers)
    response = connection.getresponse()
    return response.status, response.read(), _wait_asked(response.headers)


def events_path(url: SplitResult) -> str:
    """The path of the endpoint below the platform's URL, which may name it already."""
    prefix = url.path.rstrip("/")
    return prefix if prefix.endswith(EVENTS_PATH) else f"{prefix}{EVENTS_PATH}"


def target_of(url: str) -> str:
    """The platform's URL without anything secret, as the state file keeps it. Raises ValueError."""
    parts = _checked(url)
    port = f":{parts.port}" if parts.port else ""
    return f"{parts.scheme}://{parts.hostname}{port}{events_path(parts)}"


def _checked(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username or parts.query:
        raise ValueError("the URL must be http(s)://host[:port][/path], without a login")
    _ = parts.port  # Raises where it is none.
    return parts


def _code_in(content: bytes) -> str:
    """The stable code of an error body, whatever else it is."""
    try:
        said = msgspec.json.decode(content)
        return str(said["code"])[:100]
    except (msgspec.MsgspecError, UnicodeDecodeError, KeyError, TypeError):
        return ""


def _wait_asked(headers: Message) -> float | None:
    """Retry-After in seconds. Where it is a date, it is measured by the server's own clock."""
    asked = headers.get("Retry-After", "").strip()
    try:
        seconds = float(asked) if asked.isdigit() else _instant(asked) - _instant(headers.get("Date", ""))
    except (ValueError, TypeError):
        return None
    return min(RETRY_AFTER_MAX_SECONDS, max(0.0, seconds))


def _instant(date: str) -> float:
    return parsedate_to_datetime(date).timestamp()
