"""What a client does to buy credits, and how to see that nothing moved."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from django.db import connection

from core import clock
from payments.models import PaymentAttempt
from payments.services.reconciler import reconcile_attempts
from tests import factories
from tests.conftest import Answer, Api, Credential
from tests.payments.world import CARDS, submit

CHECKOUT: Final = "/api-account/user/billing/create-checkout"
SESSION: Final = "/payment/create-session"
STATUS: Final = "/api-account/user/billing/payment-status"
LISTED: Final = "/api-account/user/billing/orders"
USD: Final = 1_000_000_000

PAYMENT_TABLES: Final = (
    "payment_order",
    "payment_order_line",
    "payment_attempt",
    "payment_review",
    "provider_customer",
    "provider_event",
    "core_idempotentrequest",
)

IN_DOLLARS: Final[dict[str, Any]] = {"credit_usd": 20, "currency": "USD"}
IN_CREDITS: Final[dict[str, Any]] = {"channel": "stripe", "type": "credits", "credits": 20_000}
BODIES: Final = {CHECKOUT: IN_DOLLARS, SESSION: IN_CREDITS}


def buy(api: Api, by: Credential, path: str = CHECKOUT, key: str | None = None, **said: Any) -> Answer:
    """Order twenty dollars of credit, or as said; `key` is the Idempotency-Key."""
    headers = {} if key is None else {"idempotency_key": key}
    return api.post(path, BODIES[path] | said, by, **headers)


def bought(api: Api, by: Credential, path: str = CHECKOUT, **said: Any) -> dict[str, str]:
    """The same, which must succeed: its order, page and session."""
    answer = buy(api, by, path, **said)
    assert answer.status_code == 200, answer.content
    told: dict[str, str] = answer.json() if path == CHECKOUT else answer.json()["data"]
    return told


def pay(url: str, card: str = "good") -> str:
    """What a person does on the provider's page; where it led, or the page that came."""
    return submit(url, number=CARDS[card], exp="12/34", cvc="123", name="Ada Lovelace", email="ada@example.com")


def ask_the_provider() -> None:
    """What the reconciler does once attempts are due: no webhook is needed for money to be right."""
    PaymentAttempt.objects.update(check_at=clock.now())
    reconcile_attempts(now=clock.now())


def code_of(answer: Answer) -> str:
    """The stable code of a refusal, in either dialect."""
    body = answer.json()
    return str(body["error"]["code"] if "error" in body else body["code"])


def fields_of(answer: Answer) -> list[str]:
    """The fields that a refusal names, in either dialect."""
    body = answer.json()
    errors = body["error"]["details"].get("errors", []) if "error" in body else body.get("errors", [])
    return [error["field"] for error in errors]


def everything_now() -> dict[str, str]:
    """A digest of every row of money and of payments."""
    with connection.cursor() as cursor:
        return factories.books_now() | {table: factories._digest(cursor, table) for table in PAYMENT_TABLES}


@contextmanager
def nothing_moves() -> Iterator[None]:
    """Nothing of money or payments is written within."""
    before = everything_now()
    yield
    assert everything_now() == before
