"""Customers, grants and reported calls for tests, made by the services that make them in production; and what the books say then."""

import itertools
import json
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

from django.db import connection

from accounts.models import Account
from accounts.services.api_keys import IssuedKey
from accounts.services.registration import register
from billing_platform.wiring import CHECKS
from core import clock
from credits.books import Source
from credits.models import Book, Category, Grant, Kind, Wallet
from credits.services.grants import GrantTerms, issue_grant
from tests.actors import PASSWORD
from tests.conftest import Api
from usage.models import AiModel, PriceVersion
from usage.rating import Prices
from usage.services.counting import count_waiting
from usage.services.directory import ACCOUNTS, KEYS
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import ACTIVATION_LEAD, activate_price_version, create_draft

EVENTS_PATH: Final = "/v1/usage/events"
MONEY_TABLES: Final = (
    "wallet",
    "credit_grant",
    "ledger_entry",
    "allocation",
    "hold",
    "spending_limit",
    "limit_bucket",
    "limit_notice",
    "ledger_seal",
    "ledger_checkpoint",
    "house_account",
    "house_entry",
    "usage_event",
    "usage_uncounted",
    "usage_day",
    "usage_quarter",
    "usage_lifetime",
)
_numbers = itertools.count(1)

Event = dict[str, object]


def forget_memories() -> None:
    """Processes remember prices, accounts and keys for some seconds; a test that made its own starts without."""
    PRICE_BOOK.forget()
    ACCOUNTS.forget()
    KEYS.forget()


def make_account(*, zone: str = "UTC") -> Account:
    """An account of somebody new."""
    made = register(email=f"customer-{next(_numbers)}@example.com", password=PASSWORD, zone=zone, now=clock.now())
    return made.account


def give(
    account: Account,
    amount_nanos: int,
    *,
    key: str | None = None,
    kind: Kind = Kind.PROMO,
    category: Category = Category.PROMO,
    priority: int = 0,
    effective_at: datetime | None = None,
    expires_at: datetime | None = None,
    now: datetime | None = None,
) -> Grant:
    """A grant of promotional credits, unless said otherwise."""
    terms = GrantTerms(
        amount_nanos=amount_nanos,
        kind=kind,
        book=Book.PROMO,
        category=category,
        source=Source("tests", "", key or f"tests-grant:{next(_numbers)}"),
        priority=priority,
        effective_at=effective_at,
        expires_at=expires_at,
    )
    return issue_grant(account_id=account.pk, terms=terms, now=now or clock.now())


def event(customer: Account, event_id: str | None = None, **said: object) -> Event:
    """A call as a gateway reports it."""
    named: Event = {"event_id": event_id or f"event-{next(_numbers)}", "account": customer.public_id, "model": "gpt-4o"}
    return named | said


def post_events(api: Api, key: IssuedKey, events: Iterable[Mapping[str, object]] | bytes) -> Any:
    """Report over HTTP; the answer."""
    end_of_transaction()
    body = events if isinstance(events, bytes) else json.dumps(list(events)).encode()
    return api.post(EVENTS_PATH, body, key)


def end_of_transaction() -> None:
    """In a test that is one transaction the staging tables of the batch before are not emptied by its commit."""
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS pg_temp.staged_event, pg_temp.fresh_charge")


def books_now() -> dict[str, str]:
    """A digest of every row of every table that money is counted in: equal ones mean that nothing moved."""
    with connection.cursor() as cursor:
        return {table: _digest(cursor, table) for table in MONEY_TABLES}


def _digest(cursor: Any, table: str) -> str:
    cursor.execute(f"SELECT count(*) || ':' || coalesce(md5(string_agg(row::text, '|' ORDER BY row::text)), '') FROM {table} row")  # noqa: S608
    return str(cursor.fetchone()[0])


def balance_of(account: Account) -> int:
    """What the wallet says, as it is: nothing is booked by looking."""
    return Wallet.objects.get(pk=account.pk).balance_nanos


def disagreements() -> list[tuple[int, int, str]]:
    """
    Every invariant, checked inside the test's own transaction; what disagrees, as (invariant, account, check and detail).

    If nothing does, what is booked and waits is counted and all is checked again: a recount leaves out what is not counted yet.
    """
    if found := _found_now():
        return found
    count_waiting(has_time=lambda: True)
    return _found_now()


def _found_now() -> list[tuple[int, int, str]]:
    return [(check.invariant, account_id, f"{check.name}: {detail}") for check in CHECKS for account_id, detail in check.find(1, 2**62)]


def change_price(code: str, prices: Prices, *, effective_at: datetime) -> PriceVersion:
    """A new price of a known model, activated in time for that instant."""
    activated_at = effective_at - ACTIVATION_LEAD
    model = AiModel.objects.get(code=code)
    draft = create_draft(model=model, prices=prices, effective_at=effective_at, now=activated_at)
    version = activate_price_version(version_id=draft.pk, actor_id=None, reason="Tests.", now=activated_at)
    PRICE_BOOK.forget()
    return version
