"""What is measured on: accounts with credits, a price book, a gateway's key, the floor's tables."""

import random
from collections.abc import Iterator
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
from usage.models import AiModel, PriceVersion
from usage.services.starter_prices import load_starter_prices

ACCOUNTS: Final = 10_000
FLOOR_TABLES: Final = ("floor_usage_event", "floor_ledger_entry")
_GRANT_USD: Final = 100_000


@dataclass(eq=False)
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

    def more_accounts(self, many: int) -> list[tuple[int, str]]:
        """New ones with credits, beside `accounts`."""
        made = Account.objects.bulk_create([Account(name=f"bench extra {number}") for number in range(many)])
        _give_credits([account.pk for account in made], clock.now())
        return [(account.pk, account.public_id) for account in made]

    def body(self, accounts: list[tuple[int, str]], events: int) -> bytes:
        """A request's body: that many new events over these accounts."""
        now, chosen = clock.now().isoformat(), random.choices(accounts, k=events)
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
            "refunded_nanos": 0,
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
_NULLABLE: Final = {"api_key_id", "metadata", "source_key", "reverses", "actor_id", "hold", "flag", "multiplier_id", "provider_cost_nanos"}


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
