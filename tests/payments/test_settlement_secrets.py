"""No secret and no card in any row of any table, in any line of the log, in any error, nor in the sandbox's file."""

import logging
import sqlite3
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import stripe
from django.db import connection
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from core import clock
from core.idempotency import Asked
from payments.errors import ProviderFailed, ProviderRefused, ProviderUnavailable
from payments.models import PaymentReview, ProviderEvent
from payments.services.cancelling import cancel_order
from payments.services.mirror import mirror_events
from payments.services.reconciler import reconcile_attempts
from sandbox import ApiFault, WebhookFaults
from tests import factories
from tests.payments.world import CARDS, CVC, KEY, SECRET, Shop, open_shop, post_event

pytestmark = pytest.mark.django_db(transaction=True)

NOTHING_LISTENS: Final = "http://127.0.0.1:9"
TEXTS: Final = ("text", "character varying", "json", "jsonb", "bytea", "ARRAY", "character", "citext", "inet", "uuid", "xml", "name")
ASKED: Final = Asked("checkout of the tests", "a key", "what was asked")


@pytest.fixture
def file_shop(settings: Settings, live_server: LiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    """A shop whose provider keeps its data in a file."""
    with open_shop(settings, live_server, data=str(tmp_path / "sandbox.db")) as shop:
        monkeypatch.setattr(stripe, "api_base", shop.stripe.base_url)
        yield shop


def everything_stored() -> Iterator[tuple[str, str]]:
    """Every text of every table of the database, whoever made it, as (table.column, texts of all rows)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.table_name, c.column_name FROM information_schema.columns c JOIN information_schema.tables t"
            " USING (table_schema, table_name) WHERE c.table_schema = 'public' AND t.table_type = 'BASE TABLE' AND c.data_type = ANY(%s)",
            [list(TEXTS)],
        )
        for table, column in cursor.fetchall():
            cursor.execute(f"SELECT coalesce(string_agg(\"{column}\"::text, ' '), '') FROM \"{table}\"")  # noqa: S608
            yield f"{table}.{column}", cursor.fetchone()[0]


def everything_in_the_file(path: Path) -> str:
    with sqlite3.connect(path) as file:
        tables = [name for (name,) in file.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return str([file.execute(f"SELECT * FROM {name}").fetchall() for name in tables])  # noqa: S608


def a_day_at_the_shop(shop: Shop, settings: Settings, account: Account) -> list[str]:
    """Paid, declined, asked by the bank, refused, failed, timed out, cancelled, forged; every error that was met, with its causes."""
    errors: list[str] = []

    def fails(kind: type[Exception], act: Any) -> None:
        with pytest.raises(kind) as met:
            act()
        errors.append("".join(traceback.format_exception(met.value)))

    link = shop.open(account, asked=ASKED)
    shop.pay(link, "declined")
    shop.confirm(shop.pay(link, "challenged"), "fail")
    shop.confirm(shop.pay(link, "challenged"))
    for fault, kind in ({"status": 400}, ProviderRefused), ({"status": 500}, ProviderFailed), ({"hang_up": True}, ProviderUnavailable):
        shop.stripe.api_fault(ApiFault(path="/v1/checkout/sessions", **fault))
        fails(kind, lambda: shop.open(account))
        shop.stripe.clear_faults()
    settings.STRIPE_TEST_SECRET_KEY = f"{KEY}x"
    fails(ProviderUnavailable, lambda: shop.open(account))
    settings.STRIPE_TEST_SECRET_KEY = KEY
    shop.stripe.webhook_faults(WebhookFaults(forge=True))
    odd = shop.open(account)
    shop.stripe.tamper(odd.session_id, amount_total=1)
    shop.pay(odd)
    given_up = shop.open(account)
    cancel_order(account_id=account.pk, order_id=given_up.order_id, now=clock.now())
    up, settings.STRIPE_API_HOST = settings.STRIPE_API_HOST, NOTHING_LISTENS
    unpaid = shop.open
    fails(ProviderUnavailable, lambda: unpaid(account))
    settings.STRIPE_API_HOST = up
    assert shop.stripe.drain()
    reconcile_attempts(now=clock.now().replace(year=clock.now().year + 1))
    mirror_events(now=clock.now())
    errors += [str(post_event(b"{}", header).content) for header in ("", f"t=1,v1={SECRET}")]
    return errors


def test_no_secret_and_no_card_is_written_down_anywhere(
    file_shop: Shop, settings: Settings, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("urllib3", "django.request", "celery", "sandbox"):
        caplog.set_level(logging.DEBUG, logger=name)
    errors = a_day_at_the_shop(file_shop, settings, factories.make_account())
    client_secrets = [each.body["client_secret"] for each in file_shop.stripe.world.store.newest("payment_intent", limit=99)]
    assert client_secrets
    assert (ProviderEvent.objects.exists(), PaymentReview.objects.exists()) == (True, True)

    cards = list(CARDS.values())
    ours = [KEY, SECRET, *cards, *client_secrets]
    stored = dict(everything_stored())
    assert {"provider_event.payload", "djstripe_charge.stripe_data", "payment_review.found", "djstripe_apikey.secret"} <= set(stored)
    assert stored["djstripe_charge.stripe_data"]
    found = [(where, secret) for secret in ours for where, texts in stored.items() if secret in texts]
    assert found == []
    for where, texts in (("log", caplog.text), ("errors", "".join(errors))):
        assert [secret for secret in ours if secret in texts] == [], where
    for where, texts in {**stored, "log": caplog.text, "errors": "".join(errors)}.items():
        assert not [name for name in ('"cvc": "', "cvc=", f'"{CVC}"') if name in texts], where

    kept = everything_in_the_file(tmp_path / "sandbox.db")
    assert "payment_intent" in kept
    assert [secret for secret in [KEY, *cards, f'"{CVC}"'] if secret in kept] == []
    assert (tmp_path / "sandbox.db").stat().st_mode & 0o077 == 0
