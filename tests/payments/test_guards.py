"""Every rule of payments that the database itself keeps, broken once by raw SQL. A rule without a case here fails the test at the end."""

# ruff: noqa: E501  One lie a line: a table is read by its columns.

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Account
from core import clock
from payments.models import Order, OrderLine, PaymentAttempt, PaymentReview, Provider, ProviderCustomer, ProviderEvent, ProviderFeed
from payments.models.attempt import Provider as KnownProvider
from payments.services.reviews import close_review
from payments.transitions import ATTEMPT_MOVES, EVENT_MOVES, ORDER_MOVES
from tests import factories
from tests.payments.api.purchases import everything_now
from tests.payments.orders import attempt_of, done_event, order_of, other_mode_review, paid_order, reviewed_order

pytestmark = pytest.mark.django_db

MODELS: Final[dict[str, Any]] = {
    "payment_order": Order,
    "payment_order_line": OrderLine,
    "payment_attempt": PaymentAttempt,
    "payment_review": PaymentReview,
    "provider_customer": ProviderCustomer,
    "provider_event": ProviderEvent,
    "provider_feed": ProviderFeed,
}
SAME: Final = object()
"""Keep the row's own value in the copy."""
NOBODY: Final = 10**9
Changes = dict[str, object]

# Rule → table (and which row, by a column's value) and the changes by which a copy of it breaks the rule. Every copy is new otherwise.
BROKEN: Final[dict[str, tuple[str, list[Changes]]]] = {
    "order_amount_above_zero": ("payment_order", [{"amount_minor": 0}, {"amount_minor": -1}]),
    "order_currency_is_a_code": ("payment_order", [{"currency": code} for code in ("usd", "US", "U$D", "")]),
    "order_ends_after_it_begins": ("payment_order", [{"expires_at": "2000-01-01Z"}, {"created_at": "2100-01-01Z", "expires_at": "2100-01-01Z"}]),
    "order_closed_says_when": ("payment_order", [{"closed_at": "2026-01-01Z"}, {"status": "cancelled"}, {"status": "expired"}, {"status": "failed"}]),
    "order_paid_says_when_and_by_what": (
        "payment_order",
        [{"status": "paid"}, {"paid_at": "2026-01-01Z"}, {"status": "paid", "paid_at": "2026-01-01Z"}, {"status": "in_review", "paid_at": "2026-01-01Z"}],
    ),
    "order_status_known": ("payment_order", [{"status": "lost"}, {"status": ""}]),
    "payment_order_pkey": ("payment_order", [{"id": SAME}]),
    "payment_order_public_id_key": ("payment_order", [{"public_id": SAME}]),
    "payment_order_paid_attempt_id_key": ("payment_order: paid", [{"paid_attempt_id": SAME}]),
    "payment_order (account_id) → accounts_account": ("payment_order", [{"account_id": NOBODY}]),
    "payment_order (paid_attempt_id) → payment_attempt": ("payment_order: paid", [{"paid_attempt_id": NOBODY}]),
    "order_line_credits_only_by_credits": ("payment_order_line", [{"kind": "platform_fee", "credit_nanos": 1}]),
    "order_line_kind_known": ("payment_order_line", [{"kind": "gift", "credit_nanos": 0}]),
    "order_line_not_negative": ("payment_order_line", [{"amount_minor": -1}, {"kind": SAME, "credit_nanos": -1}]),
    "order_line_of_credits_once": ("payment_order_line", [{"kind": SAME}]),
    "payment_order_line_pkey": ("payment_order_line", [{"id": SAME}]),
    "payment_order_line (order_id) → payment_order": ("payment_order_line", [{"order_id": NOBODY}]),
    "attempt_once_per_payment": ("payment_attempt: settled", [{"payment_id": SAME}]),
    "attempt_once_per_session": ("payment_attempt: settled", [{"session_id": SAME}]),
    "attempt_provider_known": ("payment_attempt", [{"provider": "paypal"}]),
    "attempt_settled_says_how_much": (
        "payment_attempt",
        [{"status": "settled", "settled_minor": None}, {"status": "settled", "settled_minor": 1}, {"status": "settled", "settled_minor": -1, "settled_currency": "USD"}, {"settled_minor": 1}],
    ),
    "attempt_status_known": ("payment_attempt", [{"status": "lost"}, {"status": ""}]),
    "payment_attempt_idempotency_key_key": ("payment_attempt", [{"idempotency_key": SAME}]),
    "payment_attempt_pkey": ("payment_attempt", [{"id": SAME}]),
    "payment_attempt (order_id) → payment_order": ("payment_attempt", [{"order_id": NOBODY}]),
    "review_is_about_an_attempt_or_an_event": (
        "payment_review: wrong_amount",
        [{"attempt_id": None}, {"order_id": None}, {"attempt_id": None, "order_id": None}, {"event_id": 1}],
    ),
    "review_reason_known": ("payment_review", [{"reason": "odd"}]),
    "review_resolution_known": ("payment_review", [{"resolution": "lost", "resolved_at": "2026-01-01Z"}]),
    "review_resolved_says_how": ("payment_review", [{"resolution": "closed"}, {"resolved_at": "2026-01-01Z"}]),
    "review_once_per_attempt_reason_and_payment": ("payment_review: wrong_amount", [{"reason": SAME}]),
    "review_once_per_event_and_reason": ("payment_review: wrong_livemode", [{"reason": SAME}]),
    "payment_review_pkey": ("payment_review", [{"id": SAME}]),
    "payment_review (attempt_id) → payment_attempt": ("payment_review: wrong_amount", [{"attempt_id": NOBODY}]),
    "payment_review (order_id) → payment_order": ("payment_review: wrong_amount", [{"order_id": NOBODY}]),
    "payment_review (event_id) → provider_event": ("payment_review: wrong_livemode", [{"event_id": NOBODY}]),
    "provider_customer_once": ("provider_customer", [{"customer_id": SAME}]),
    "provider_customer_provider_known": ("provider_customer", [{"provider": "paypal"}]),
    "provider_customer_once_per_account": ("provider_customer", [{"livemode": SAME}]),
    "provider_customer_pkey": ("provider_customer", [{"id": SAME}]),
    "provider_customer (account_id) → accounts_account": ("provider_customer", [{"account_id": NOBODY}]),
    "provider_event_claimed_has_its_lease": ("provider_event", [{"status": "claimed"}, {"lease": "mine"}, {"lease_until": "2026-01-01Z"}]),
    "provider_event_outcome_known": ("provider_event", [{"outcome": "odd"}]),
    "provider_event_provider_known": ("provider_event", [{"provider": "paypal"}]),
    "provider_event_source_known": ("provider_event", [{"source": "rumour"}]),
    "provider_event_once": ("provider_event", [{"event_id": SAME}]),
    "provider_event_status_known": ("provider_event", [{"status": "lost"}]),
    "provider_event_pkey": ("provider_event", [{"id": SAME}]),
    "provider_event (order_id) → payment_order": ("provider_event", [{"order_id": NOBODY}]),
    "provider_event (attempt_id) → payment_attempt": ("provider_event", [{"attempt_id": NOBODY}]),
    "provider_feed_pkey": ("provider_feed", [{"provider": SAME}]),
}  # fmt: skip
NEW: Final[dict[str, Changes]] = {
    "payment_order": {"public_id": "ord_another"},
    "payment_order_line": {"kind": "platform_fee", "credit_nanos": 0},
    "payment_attempt": {"idempotency_key": "attempt:another", "session_id": "cs_another", "payment_id": "pi_another"},
    "payment_review": {"reason": "paid_twice"},
    "provider_customer": {"customer_id": "cus_another", "livemode": True},
    "provider_event": {"event_id": "evt_another"},
    "provider_feed": {"provider": "creem"},
}
"""What makes a copy of a row a row of its own."""

CHOSEN_BY: Final = {"payment_order": "status", "payment_attempt": "status", "payment_review": "reason"}

TRIGGERS: Final[dict[str, tuple[str, ...]]] = {
    "payment_order_never_deleted": ("DELETE FROM payment_order", "DELETE FROM payment_order WHERE false"),
    "payment_order_line_fixed": ("UPDATE payment_order_line SET amount_minor = amount_minor + 1", "UPDATE payment_order_line SET sku = sku", "DELETE FROM payment_order_line"),
    "payment_order_paid_is_final": (
        "UPDATE payment_order SET status = 'cancelled', paid_at = NULL, paid_attempt_id = NULL WHERE status = 'paid'",
        "UPDATE payment_order SET paid_attempt_id = (SELECT min(id) FROM payment_attempt WHERE status <> 'settled') WHERE status = 'paid'",
    ),
    "payment_attempt_never_deleted": ("DELETE FROM payment_attempt",),
    "payment_attempt_settled_is_final": (
        "UPDATE payment_attempt SET status = 'failed' WHERE status = 'settled'",
        "UPDATE payment_attempt SET settled_minor = settled_minor + 1 WHERE status = 'settled'",
        "UPDATE payment_attempt SET settled_minor = NULL WHERE status = 'settled'",
        "UPDATE payment_attempt SET settled_currency = 'EUR' WHERE status = 'settled'",
        "UPDATE payment_attempt SET payment_id = 'pi_other' WHERE status = 'settled'",
        "UPDATE payment_attempt SET provider = 'creem' WHERE status = 'settled'",
        "UPDATE payment_attempt SET order_id = (SELECT min(id) FROM payment_order WHERE status = 'pending') WHERE status = 'settled'",
    ),
    "payment_attempt_moves": ("UPDATE payment_attempt SET status = 'opening' WHERE status = 'open'",),
    "payment_order_moves": ("UPDATE payment_order SET status = 'pending' WHERE status = 'in_review'",),
    "provider_event_moves": ("UPDATE provider_event SET status = 'failed' WHERE status = 'done'",),
    "provider_event_never_deleted": ("DELETE FROM provider_event",),
    "payment_review_never_deleted": ("DELETE FROM payment_review",),
    "payment_review_resolved_once": ("UPDATE payment_review SET resolution = 'credited' WHERE resolved_at IS NOT NULL", "UPDATE payment_review SET resolved_at = NULL, resolution = '' WHERE resolved_at IS NOT NULL"),
}  # fmt: skip
MOVES: Final[dict[str, Mapping[Any, frozenset[Any]]]] = {
    "payment_order_moves": ORDER_MOVES,
    "payment_attempt_moves": ATTEMPT_MOVES,
    "provider_event_moves": EVENT_MOVES,
}
FIXED_COLUMNS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "payment_order_terms_fixed": (
        "payment_order",
        frozenset({"status", "success_url", "cancel_url", "failure_code", "failure_reason", "paid_at", "closed_at", "paid_attempt_id"}),
    ),
}
"""Trigger → its table, and the only columns that may change after a row is written."""


@pytest.fixture
def account(db: None) -> Account:
    """An account with a row in every table: an order that waits, one that is paid, one under review, and an event of the other mode."""
    account = factories.make_account()
    attempt_of(order_of(account))
    done_event(paid_order(account).attempts.get())
    reviewed_order(account)
    other_mode_review()
    close_review(review_id=reviewed_order(account).pk, actor_id=None, reason="Given back at the provider.", now=clock.now())
    known = {"provider": KnownProvider.STRIPE, "customer_id": "cus_1", "created_at": clock.now()}
    ProviderCustomer.objects.create(account=account, livemode=False, **known)
    ProviderFeed.objects.create(provider=Provider.STRIPE, read_until=clock.now())
    return account


def copy_row(where: str, changes: Changes) -> None:
    """Insert a copy of a good row with these changes, as raw SQL would."""
    table, _, chosen = where.partition(": ")
    own = MODELS[table].objects.filter(**{CHOSEN_BY[table]: chosen} if chosen else {}).order_by("pk").values().first()
    values = own | NEW[table] | ({"id": NOBODY} if "id" in own else {})
    values |= {name: own[name] if value is SAME else value for name, value in changes.items()}
    values = {name: json.dumps(value) if isinstance(value, dict) else value for name, value in values.items()}
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"INSERT INTO {table} ({', '.join(values)}) VALUES ({', '.join(['%s'] * len(values))})", list(values.values()))  # noqa: S608


def test_a_copy_that_breaks_no_rule_is_taken(account: Account) -> None:
    for table in MODELS:
        copy_row(table, {})


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_of_the_database_refuses_the_row_that_breaks_it(account: Account, rule: str) -> None:
    table, all_changes = BROKEN[rule]
    before = everything_now()
    for changes in all_changes:
        with pytest.raises(DatabaseError) as refused:
            copy_row(table, changes)
        assert name_of_rule(refused.value) == rule, changes
    assert everything_now() == before


def name_of_rule(error: DatabaseError) -> str:
    """The constraint that refused; a foreign key, whose own name is made up, by what it refers to."""
    told: Any = error.__cause__
    name = str(told.diag.constraint_name)
    return next((key for key, known in catalogue("f") if known == name), name)


def catalogue(kinds: str) -> Iterator[tuple[str, str]]:
    """Constraints of the tables as (what to call it here, name)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT conrelid::regclass::text, conname, contype, pg_get_constraintdef(oid) FROM pg_constraint"
            " WHERE conrelid::regclass::text = ANY(%s) AND contype = ANY(%s)",
            [list(MODELS), list(kinds)],
        )
        for table, name, kind, definition in cursor.fetchall():
            said = re.match(r"FOREIGN KEY (\(\w+\)) REFERENCES (\w+)", definition)
            yield (f"{table} {said[1]} → {said[2]}" if kind == "f" and said else name), name


@pytest.mark.parametrize("trigger", TRIGGERS)
def test_what_was_agreed_and_money_that_came_are_not_rewritten_by_raw_sql(account: Account, trigger: str) -> None:
    before = everything_now()
    for sql in TRIGGERS[trigger]:
        assert_refused_by_a_guard(sql)
    assert everything_now() == before


@pytest.mark.parametrize("trigger", FIXED_COLUMNS)
def test_only_what_may_change_can_be_changed_by_raw_sql(account: Account, trigger: str) -> None:
    table, may_change = FIXED_COLUMNS[trigger]
    columns = {field.column for field in MODELS[table]._meta.concrete_fields}
    assert may_change < columns
    before = everything_now()
    for column in sorted(columns - may_change):
        assert_refused_by_a_guard(f"UPDATE {table} SET {column} = {column}")  # noqa: S608
    with connection.cursor() as cursor:
        for column in sorted(may_change):
            cursor.execute(f"UPDATE {table} SET {column} = {column}")  # noqa: S608
    assert everything_now() == before


@pytest.mark.parametrize("trigger", MOVES)
def test_the_database_lets_statuses_move_as_the_tables_say_and_not_otherwise(db: None, trigger: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_triggerdef(oid) FROM pg_trigger WHERE tgname = %s", [trigger])
        (definition,) = cursor.fetchone()
    allowed = set(re.findall(r"'(\w+>\w+)'", definition))
    assert allowed == {f"{before}>{after}" for before, moves in MOVES[trigger].items() for after in moves}


def assert_refused_by_a_guard(sql: str) -> None:
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    told: Any = refused.value.__cause__
    assert told.sqlstate == "23001", sql  # restrict_violation


def test_an_order_that_is_not_paid_and_an_attempt_that_is_not_settled_may_move(account: Account) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE payment_order SET status = 'cancelled', closed_at = now() WHERE status <> 'paid'")
        cursor.execute("UPDATE payment_attempt SET status = 'failed' WHERE status <> 'settled'")
        assert cursor.rowcount


def test_every_rule_of_these_tables_has_its_case_here(db: None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT indexrelid::regclass::text FROM pg_index i WHERE indisunique AND indrelid::regclass::text = ANY(%s)"
            " AND NOT EXISTS (SELECT FROM pg_constraint WHERE conindid = i.indexrelid)",
            [list(MODELS)],
        )
        indexes = {name for (name,) in cursor.fetchall()}
        cursor.execute("SELECT tgname FROM pg_trigger WHERE NOT tgisinternal AND tgrelid::regclass::text = ANY(%s)", [list(MODELS)])
        triggers = {name for (name,) in cursor.fetchall()}
    assert {key for key, _ in catalogue("cfpux")} | indexes == set(BROKEN)
    assert triggers == {*TRIGGERS, *FIXED_COLUMNS}
