"""The first answer under an Idempotency-Key is kept for a day and given again; two requests with one key never run at once."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from sandbox.store import Store
from sandbox.stripe.errors import StripeError

KEPT_SECONDS = 24 * 3600
KEY_MAX = 255


@dataclass(frozen=True)
class Kept:
    """An answer that was given before."""

    status: int
    body: bytes


class KeysInUse:
    """The keys of requests that are under way. A restart forgets them, as it ends their requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._keys: set[str] = set()

    @contextmanager
    def using(self, key: str | None) -> Iterator[None]:
        """Hold the key while inside. Raises `idempotency_key_in_use` if another request holds it."""
        if key is None:
            yield
            return
        with self._lock:
            if key in self._keys:
                message = f"There is currently another in-progress request using this Idempotent Key: {key}. Please try again later."
                raise StripeError(message, status=409, code="idempotency_key_in_use")
            self._keys.add(key)
        try:
            yield
        finally:
            with self._lock:
                self._keys.discard(key)


def digest(secret: str, endpoint: str, parameters: Mapping[str, object]) -> str:
    """Stands for a request's parameters. Keyed, since they may hold a card number."""
    content = json.dumps([endpoint, parameters], sort_keys=True).encode()
    return hmac.new(secret.encode(), content, hashlib.sha256).hexdigest()


def look_up(store: Store, key: str, endpoint: str, digested: str, now: int) -> Kept | None:
    """The answer kept under a key. Raises `idempotency_error` if it was given to another request."""
    store.run("DELETE FROM answered WHERE at <= ?", now - KEPT_SECONDS)
    rows = store.run("SELECT digest, endpoint, status, body FROM answered WHERE key = ?", key)
    if not rows:
        return None
    kept_digest, kept_endpoint, status, body = rows[0]
    if kept_endpoint != endpoint:
        message = "Keys for idempotent requests can only be used for the same endpoint they were first used for"
        raise StripeError(f"{message} ('{kept_endpoint}' vs '{endpoint}').", kind="idempotency_error")
    if kept_digest != digested:
        message = "Keys for idempotent requests can only be used with the same parameters they were first used with."
        raise StripeError(f"{message} Try using a key other than '{key}'.", kind="idempotency_error")
    return Kept(status, body.encode())


def keep(store: Store, key: str, endpoint: str, digested: str, *, now: int, answer: Kept) -> None:
    """Keep an answer, in the transaction that did its work."""
    sql = "INSERT INTO answered (key, digest, endpoint, at, status, body) VALUES (?, ?, ?, ?, ?, ?)"
    store.run(sql, key, digested, endpoint, now, answer.status, answer.body.decode())
