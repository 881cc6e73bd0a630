"""What is measured on: accounts with credits, a price book, a gateway's key, the floor's tables, a web server."""

import os
import random
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from typing import Final

from django.db import connection, transaction

from accounts.models import Account
from accounts.selectors import Scope
from accounts.services.api_keys import issue_platform_key
from core import clock
from core.money import NANOS_PER_USD
from credits.books import Lot, Source, book_due
from credits.models import Book, Category, Kind
from credits.services.posting import make_wallets, open_books, write_books
from launcher.product import WEB
from usage.models import AiModel, PriceVersion
from usage.services.starter_prices import load_starter_prices

ACCOUNTS: Final = 10_000
FLOOR_TABLES: Final = ("floor_usage_event", "floor_ledger_entry")
_GRANT_USD: Final = 100_000


@dataclass
class World:
    """Accounts (internal and public ids), models, the gateway's key. Its batches never repeat an event."""

    accounts: list[tuple[int, str]]
    models: list[str]
    version: tuple[int, int]
    platform_key: str
    numbers: Iterator[int]

    @classmethod
    def build(cls) -> "World":
        """Make it in an empty, migrated database."""
        now = clock.now()
        load_starter_prices(now=now)
        made = Account.objects.bulk_create([Account(name=f"bench {number}") for number in range(ACCOUNTS)])
        _give_credits([account.pk for account in made], now)
        _make_floor_tables()
        with connection.cursor() as cursor:
            cursor.execute("ANALYZE")  # As autovacuum does within a minute of such a load.
        key = issue_platform_key(name="bench", scopes=[Scope.USAGE_WRITE], actor_id=None, reason="benchmark", now=now)
        version = PriceVersion.objects.order_by("id")[0]
        codes = list(AiModel.objects.order_by("id").values_list("code", flat=True)[:8])
        return cls(
            [(account.pk, account.public_id) for account in made],
            codes,
            (version.model_id, version.pk),
            key.secret,
            count(1),
        )

    def body(self, accounts: int, events: int) -> bytes:
        """A request's body: that many new events over that many accounts."""
        now, chosen = clock.now().isoformat(), random.choices(self.accounts[:accounts], k=events)
        return f"[{','.join(self._event(public_id, now) for _, public_id in chosen)}]".encode()

    def floor_batch(self, accounts: int, events: int) -> tuple[str, str]:
        """The same as COPY lines for the floor's two tables."""
        now, chosen = clock.now().isoformat(), random.choices(self.accounts[:accounts], k=events)
        rows = [self._floor_row(account_id, now) for account_id, _ in chosen]
        return "".join(event for event, _ in rows), "".join(entry for _, entry in rows)

    def _event(self, account: str, occurred_at: str) -> str:
        return (
            f'{{"event_id":"req_{next(self.numbers):028x}","account":"{account}","model":"{random.choice(self.models)}",'
            f'"input_tokens":{random.randrange(6_000)},"output_tokens":{random.randrange(900)},"cache_read_tokens":{random.randrange(2_000)},'
            f'"occurred_at":"{occurred_at}","endpoint":"/v1/chat/completions"}}'
        )

    def _floor_row(self, account: int, now: str) -> tuple[str, str]:
        number, cost = next(self.numbers), random.randrange(10**7)
        event_id = f"req_{number:028x}"
        model, version = self.version
        values = {
            "id": number,
            "seq": number,
            "account_id": account,
            "event_id": event_id,
            "source_id": event_id,
            "fingerprint": f"{random.getrandbits(128):032x}",
            "model_id": model,
            "price_version_id": version,
            "status": "success",
            "cost_nanos": cost,
            "charged_nanos": cost,
            "absorbed_nanos": 0,
            "amount_nanos": -cost - 1,
            "kind": "usage",
            "book": "usage",
            "source_type": "usage_event",
            "endpoint": "/v1/chat/completions",
            "description": "",
            "reference": "",
            "local_date": now[:10],
            "occurred_at": now,
            "created_at": now,
        }
        return _line(_EVENT_COLUMNS, values), _line(_ENTRY_COLUMNS, values)


_EVENT_COLUMNS: Final[list[str]] = []
_ENTRY_COLUMNS: Final[list[str]] = []
_NULLABLE: Final = {"api_key_id", "metadata", "source_key", "reverses", "actor_id"}


def _line(columns: list[str], values: dict[str, object]) -> str:
    return "\t".join("\\N" if column in _NULLABLE else str(values.get(column, 100)) for column in columns) + "\n"


def _give_credits(account_ids: list[int], now: datetime) -> None:
    """A grant each, through the posting door, all accounts at once."""
    amount = _GRANT_USD * NANOS_PER_USD
    with transaction.atomic():
        make_wallets(account_ids, now=now)
        books = list(open_books(account_ids, now=now).values())
        for account in books:
            source = Source("benchmark", "1", "benchmark:1")
            account.lots.append(Lot(None, Kind.PROMO, Book.PROMO, source, Category.PROMO, 0, now, None, amount, amount))
        write_books(books)
        for account in books:
            book_due(account)
        write_books(books)


def _make_floor_tables() -> None:
    with connection.cursor() as cursor:
        for floor, product, columns in zip(FLOOR_TABLES, ("usage_event", "ledger_entry"), (_EVENT_COLUMNS, _ENTRY_COLUMNS), strict=True):
            cursor.execute(f"DROP TABLE IF EXISTS {floor}")
            cursor.execute(f"CREATE TABLE {floor} (LIKE {product} INCLUDING ALL)")
            cursor.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
                [floor],
            )
            columns[:] = [name for (name,) in cursor.fetchall()]


@contextmanager
def running_web() -> Iterator[str]:
    """The product's web server as the launcher and compose start it, on a free port; its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, *WEB[1:], "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    environment = os.environ | {
        "LOCAL_HTTP": "1",
        "ALLOWED_HOSTS": "127.0.0.1",
        "LOG_LEVEL": "WARNING",
        "THROTTLE_WRITE": "1000000/min",
    }
    web = subprocess.Popen(command, env=environment)
    try:
        url = f"http://127.0.0.1:{port}"
        _wait_until_ready(url, web)
        yield url
    finally:
        web.terminate()
        web.wait(timeout=30)


def _wait_until_ready(url: str, web: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        if web.poll() is not None:
            raise RuntimeError("the web server ended before it was ready")
        try:
            urllib.request.urlopen(f"{url}/healthz", timeout=1).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the web server was not ready within 30 seconds")
