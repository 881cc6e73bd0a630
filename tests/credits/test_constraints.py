"""Every rule that the database itself keeps, broken once by raw SQL. A rule without a case here fails the test at the end."""

# ruff: noqa: E501  One lie a line: a table is read by its columns.

import re
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import pytest
from django.db import DatabaseError, connection, transaction

from accounts.models import Account
from core import clock
from core.money import AMOUNT_MAX_NANOS
from credits.models import Allocation, Checkpoint, Grant, Hold, LedgerEntry, Seal, Wallet
from credits.models.allocation import Role
from credits.models.entry import ALWAYS_NEGATIVE, ALWAYS_POSITIVE, UNDO_KINDS
from credits.services.holds import HoldTerms, open_hold
from credits.services.sealing import seal_ledger
from tests import actors, factories
from tests.spending import GPT_4O, adjust, refund, report
from usage.models import (
    AiModel,
    PriceMultiplier,
    PriceVersion,
    ProviderCost,
    UncountedBlock,
    UsageDay,
    UsageEvent,
    UsageLifetime,
    UsageQuarter,
)
from usage.models.price_book import PRICE_COLUMNS, PRICE_MAX_NANOS
from usage.services.counting import count_account
from usage.services.prices import activate_price_version, create_draft

MODELS: Final[dict[str, Any]] = {
    "wallet": Wallet,
    "credit_grant": Grant,
    "ledger_entry": LedgerEntry,
    "allocation": Allocation,
    "hold": Hold,
    "ledger_seal": Seal,
    "ledger_checkpoint": Checkpoint,
    "usage_event": UsageEvent,
    "usage_day": UsageDay,
    "usage_quarter": UsageQuarter,
    "usage_lifetime": UsageLifetime,
    "usage_uncounted": UncountedBlock,
    "usage_aimodel": AiModel,
    "usage_priceversion": PriceVersion,
    "usage_providercost": ProviderCost,
    "usage_pricemultiplier": PriceMultiplier,
}
SAME: Final = object()
"""Keep the row's own value in the copy."""
BARE_DRAFT: Final = 10**6 + 1
"""The price version that has no provider cost yet."""
Changes = dict[str, object]


def wrong_signs() -> list[Changes]:
    """Every kind whose sign is fixed, with the other one."""
    wrong: list[Changes] = [{"kind": kind, "amount_nanos": 1} for kind in ALWAYS_NEGATIVE]
    return wrong + [{"kind": kind, "amount_nanos": -1, "reverses": 1 if kind in UNDO_KINDS else None} for kind in ALWAYS_POSITIVE]


# Rule → table and the changes by which a copy of a good row breaks it. Every copy is new otherwise: see `copy_row`.
BROKEN: Final[dict[str, tuple[str, list[Changes]]]] = {
    "allocation_is_an_interval": ("allocation", [{"from_nanos": -1}, {"from_nanos": 5, "to_nanos": 5}, {"from_nanos": 6, "to_nanos": 5}]),
    "allocation_names_its_entry": ("allocation", [{"entry_seq": None}]),
    "allocation_only_returns_reverse": (
        "allocation",
        [{"reverses": 1}, {"into_grant_id": 1}, {"role": Role.RETURN, "reverses": None}, {"role": Role.SETTLE, "reverses": 1}],
    ),
    "allocation_role_known": ("allocation", [{"role": "gift"}]),
    "allocation_pkey": ("allocation", [{"id": SAME}]),
    "allocation_pays_once": ("allocation", [{"from_nanos": 0, "to_nanos": SAME}]),
    "allocation_settles_once": ("allocation: settle", [{"from_nanos": 0, "to_nanos": SAME}]),
    "entry_counts_from_one": ("ledger_entry", [{"seq": 0}, {"seq": -1}, {"spent_after_nanos": -1}]),
    "entry_moves_something": ("ledger_entry: manual", [{"amount_nanos": 0}]),
    "entry_sign_fits_its_kind": (
        "ledger_entry",
        [
            *wrong_signs(),
            {"kind": "gift"},
        ],
    ),
    "entry_undo_names_what_it_undoes": ("ledger_entry", [{"reverses": 1}, {"kind": "reversal", "reverses": None}]),
    "ledger_entry_pkey": ("ledger_entry", [{"seq": SAME}]),
    "entry_once_per_source_key": ("ledger_entry: manual", [{"source_key": SAME}]),
    "grant_category_known": ("credit_grant", [{"category": "gift"}]),
    "grant_cost_basis_not_negative": ("credit_grant", [{"cost_basis_minor": -1}]),
    "grant_ended_has_nothing_left": (
        "credit_grant",
        [{"remaining_nanos": 1, "expired_at": "2026-01-01Z"}, {"remaining_nanos": 1, "voided_at": "2026-01-01Z"}],
    ),
    "grant_ends_after_it_begins": (
        "credit_grant",
        [{"effective_at": "2026-01-02Z", "expires_at": at} for at in ("2026-01-01Z", "2026-01-02Z")],
    ),
    "grant_gives_something": ("credit_grant", [{"amount_nanos": 0, "remaining_nanos": 0}]),
    "grant_once_per_source_key": ("credit_grant", [{"source_key": SAME}]),
    "grant_pending_is_not_booked": ("credit_grant", [{"is_pending": True}]),
    "grant_remaining_within_amount": ("credit_grant", [{"remaining_nanos": -1}, {"amount_nanos": 5, "remaining_nanos": 6}]),
    "credit_grant_pkey": ("credit_grant", [{"id": SAME}]),
    "credit_grant (account_id) → accounts_account": ("credit_grant", [{"account_id": 10**9}]),
    "credit_grant (root_id) → credit_grant": ("credit_grant", [{"root_id": 10**9}]),
    "credit_grant (compensates_id) → credit_grant": ("credit_grant", [{"compensates_id": 10**9}]),
    "wallet_balance_in_range": ("wallet", [{"balance_nanos": AMOUNT_MAX_NANOS + 1}, {"balance_nanos": -AMOUNT_MAX_NANOS - 1, "debt_nanos": 2**63 - 1}]),
    "wallet_negative_only_by_its_debt": ("wallet", [{"balance_nanos": -1, "debt_nanos": 0}, {"balance_nanos": -8, "debt_nanos": 7}]),
    "wallet_next_seq_positive": ("wallet", [{"next_seq": 0}]),
    "wallet_policy_known": ("wallet", [{"policy": "gift"}]),
    "wallet_spent_in_range": ("wallet", [{"spent_nanos": -1}, {"spent_nanos": AMOUNT_MAX_NANOS + 1}]),
    "wallet_sums_not_negative": ("wallet", [{f"{name}_nanos": -1} for name in ("reserved", "frozen", "lapsing", "debt")]),
    "wallet_pkey": ("wallet", [{"account_id": SAME}]),
    "wallet (account_id) → accounts_account": ("wallet", [{"account_id": 10**9}]),
    "hold_captured_names_its_event": ("hold", [{"event_id": "another"}, {"status": "captured", "closed_at": "2030-01-01Z", "event_id": None}]),
    "hold_closed_says_when": ("hold", [{"closed_at": "2030-01-01Z"}, {"status": "voided"}, {"status": "voided", "closed_at": "2020-01-01Z"}]),
    "hold_ends_within_a_day": ("hold", [{"expires_at": "2020-01-01Z"}, {"expires_at": "2099-01-01Z"}]),
    "hold_keeps_something": ("hold", [{"amount_nanos": 0}, {"amount_nanos": -1}]),
    "hold_once_per_event": ("hold: captured", [{"event_id": SAME}]),
    "hold_once_per_key": ("hold", [{"hold_key": SAME}]),
    "hold_once_per_public_id": ("hold", [{"public_id": SAME}]),
    "hold_status_known": ("hold", [{"status": "lost", "closed_at": "2030-01-01Z"}]),
    "checkpoint_once_per_place": ("ledger_checkpoint", [{"seal_id": SAME, "position": SAME}]),
    "checkpoint_once_per_seq": ("ledger_checkpoint", [{"seq": SAME}]),
    "seal_covers_something": ("ledger_seal", [{"number": 0}, {"checkpoints": 0}, {"entries": 0}]),
    "ledger_seal_pkey": ("ledger_seal", [{"number": SAME}]),
    "event_flag_is_of_a_hold": ("usage_event", [{"flag": "late"}, {"flag": "early", "hold": "x"}]),
    "event_cost_is_charged_and_absorbed": (
        "usage_event",
        [{"charged_nanos": -1, "cost_nanos": -1}, {"absorbed_nanos": -1, "charged_nanos": 1, "cost_nanos": 0}, {"cost_nanos": 0}],
    ),
    "event_provider_cost_not_negative": ("usage_event", [{"provider_cost_nanos": -1}]),
    "event_refunded_at_most_what_was_charged": ("usage_event", [{"refunded_nanos": -1}, {"refunded_nanos": 10**15}]),
    "event_status_known": ("usage_event", [{"status": "maybe"}]),
    "usage_event_pkey": ("usage_event", [{"id": SAME, "created_at": SAME}]),
    "event_once_per_id": ("usage_event", [{"event_id": SAME}]),
    "usage_day_not_negative": ("usage_day", [{"events": -1}, {"cost_nanos": -1}]),
    "usage_day_once": ("usage_day", [{"day": SAME}]),
    "usage_quarter_not_negative": ("usage_quarter", [{"events": -1}, {"cost_nanos": -1}]),
    "usage_quarter_once": ("usage_quarter", [{"starts_at": SAME}]),
    "usage_lifetime_pkey": ("usage_lifetime", [{"account_id": SAME}]),
    "uncounted_counts_something": ("usage_uncounted", [{"events": 0}, {"events": -1}]),
    "uncounted_once_per_block": ("usage_uncounted", [{"block": SAME}]),
    "usage_aimodel_code_key": ("usage_aimodel", [{"code": SAME}]),
    "usage_aimodel_pkey": ("usage_aimodel", [{"id": SAME}]),
    "price_version_multiplier_in_range": ("usage_priceversion", [{"multiplier_bp": -1}, {"multiplier_bp": 1_000_001}]),
    "price_version_prices_in_range": ("usage_priceversion", [{name: bad} for name in PRICE_COLUMNS for bad in (-1, PRICE_MAX_NANOS + 1)]),
    "price_version_ends_after_it_begins": ("usage_priceversion", [{"ends_at": at} for at in ("2019-12-31Z", "2020-01-01Z")]),
    "price_version_failed_policy_known": ("usage_priceversion", [{"failed_policy": "sometimes"}]),
    "price_version_one_in_force": ("usage_priceversion", [{"effective_at": SAME, "ends_at": SAME}, {"ends_at": None}]),
    "usage_priceversion_pkey": ("usage_priceversion", [{"id": SAME}]),
    "usage_priceversion (model_id) → usage_aimodel": ("usage_priceversion", [{"model_id": 10**9}]),
    "provider_cost_prices_in_range": ("usage_providercost", [{name: bad} for name in PRICE_COLUMNS for bad in (-1, PRICE_MAX_NANOS + 1)]),
    "usage_providercost_pkey": ("usage_providercost", [{"version_id": SAME}]),
    "usage_providercost (version_id) → usage_priceversion": ("usage_providercost", [{"version_id": 10**9}]),
    "price_multiplier_ends_after_it_begins": ("usage_pricemultiplier", [{"ends_at": at} for at in ("2019-12-31Z", "2020-01-01Z")]),
    "price_multiplier_in_range": ("usage_pricemultiplier", [{"multiplier_bp": -1}, {"multiplier_bp": 1_000_001}]),
    "price_multiplier_is_of_one_scope": ("usage_pricemultiplier", [{"tier": "gold"}, {"account_id": None}]),
    "price_multiplier_one_in_force": ("usage_pricemultiplier", [{"effective_at": SAME, "ends_at": SAME}, {"ends_at": None}]),
    "usage_pricemultiplier_pkey": ("usage_pricemultiplier", [{"id": SAME}]),
    "usage_pricemultiplier (account_id) → accounts_account": ("usage_pricemultiplier", [{"account_id": 10**9}]),
    "usage_pricemultiplier (model_id) → usage_aimodel": ("usage_pricemultiplier", [{"model_id": 10**9}]),
}  # fmt: skip
NEW: Final[dict[str, Changes]] = {
    "wallet": {"account_id": 10**6},
    "credit_grant": {"source_key": "another"},
    "ledger_entry": {"seq": 10**6, "source_key": "another"},
    "allocation": {"from_nanos": 10**15, "to_nanos": 10**15 + 1},
    "hold": {"public_id": "another", "hold_key": "another"},
    "hold: captured": {"public_id": "another", "hold_key": "another", "event_id": "another"},
    "ledger_seal": {"number": 10**6},
    "ledger_checkpoint": {"seq": 10**6, "position": 10**6},
    "usage_event": {"event_id": "another"},
    "usage_day": {"day": "2020-01-01"},
    "usage_quarter": {"starts_at": "2020-01-01Z"},
    "usage_lifetime": {"account_id": 10**6},
    "usage_uncounted": {"block": 10**6},
    "usage_aimodel": {"code": "another"},
    "usage_priceversion": {"effective_at": "2020-01-01Z", "ends_at": "2020-01-02Z"},
    "usage_providercost": {"version_id": BARE_DRAFT},
    "usage_pricemultiplier": {"effective_at": "2020-01-01Z", "ends_at": "2020-01-02Z"},
}
"""What makes a copy of a row a row of its own."""
GOOD_ROWS: Final[dict[str, Changes]] = {
    "allocation": {"role": "pay"},
    "allocation: settle": {"role": "settle"},
    "ledger_entry": {"kind": "usage"},
    "ledger_entry: manual": {"kind": "manual"},
    "hold": {"status": "open"},
    "hold: captured": {"status": "captured"},
    "usage_event": {"hold": None},
    "usage_providercost": {"version__activated_at": None},
}
"""Which row is copied, where not the first."""

TRIGGERS: Final[dict[str, tuple[str, ...]]] = {
    "ledger_entry_append_only": ("UPDATE ledger_entry SET description = ''", "DELETE FROM ledger_entry", "UPDATE ledger_entry SET id = id WHERE false"),
    "allocation_append_only": ("UPDATE allocation SET entry_seq = 1", "DELETE FROM allocation"),
    "credit_grant_never_deleted": ("DELETE FROM credit_grant",),
    "hold_end_is_final": ("UPDATE hold SET status = 'open', event_id = NULL, closed_at = NULL WHERE status <> 'open'",),
    "hold_never_deleted": ("DELETE FROM hold",),
    "ledger_seal_append_only": ("UPDATE ledger_seal SET entries = 1", "DELETE FROM ledger_seal"),
    "ledger_checkpoint_append_only": ("UPDATE ledger_checkpoint SET position = 7", "DELETE FROM ledger_checkpoint"),
    "usage_event_key_fixed": ("UPDATE usage_event SET api_key_id = 1 WHERE hold IS NULL",),
    "usage_event_hold_fixed": ("UPDATE usage_event SET hold = NULL",),
    "wallet_never_deleted": ("DELETE FROM wallet",),
    "usage_event_rating_fixed": ("UPDATE usage_event SET multiplier_id = NULL", "UPDATE usage_event SET provider_cost_nanos = 0"),
    "usage_event_refunds_grow": ("UPDATE usage_event SET refunded_nanos = -1",),
    "price_version_fixed_once_active": (
        "UPDATE usage_priceversion SET multiplier_bp = 1", "UPDATE usage_priceversion SET failed_policy = 'never'",
        "UPDATE usage_priceversion SET ends_at = NULL", "DELETE FROM usage_priceversion",
    ),
    "price_multiplier_fixed_once_active": (
        "UPDATE usage_pricemultiplier SET multiplier_bp = 1", "UPDATE usage_pricemultiplier SET tier = 'gold', account_id = NULL",
        "UPDATE usage_pricemultiplier SET ends_at = NULL", "DELETE FROM usage_pricemultiplier",
    ),
    "provider_cost_fixed_once_active": (
        "UPDATE usage_providercost SET input_nanos_per_million = 0", "DELETE FROM usage_providercost",
        "UPDATE usage_providercost SET version_id = (SELECT min(id) FROM usage_priceversion WHERE activated_at IS NULL)",
    ),
}  # fmt: skip
FIXED_COLUMNS: Final[dict[str, tuple[str, frozenset[str]]]] = {
    "credit_grant_terms_fixed": (
        "credit_grant",
        frozenset({"remaining_nanos", "is_frozen", "booked_at", "voided_at", "expired_at", "is_pending", "actor_id", "is_empty"}),
    ),
    "hold_terms_fixed": ("hold", frozenset({"status", "event_id", "closed_at"})),
    "usage_event_report_fixed": ("usage_event", frozenset({"charged_nanos", "absorbed_nanos", "flag", "api_key_id", "refunded_nanos"})),
}
"""Trigger → its table, and the only columns that may change after a row is written."""


@pytest.fixture
def account(db: None) -> Account:
    """An account with a row in every table: paid, settled after debt, given back, held, captured, sealed, counted and not counted yet."""
    account = actors.make_person("alice").account
    make_terms(account)
    adjust(account, 1_000_000)
    report(account, "one")
    factories.end_of_transaction()
    adjust(account, 9_000_000)
    refund(account, "one", 5, key="back")
    lasts = timedelta(hours=1)
    open_hold(account_id=account.pk, terms=HoldTerms(1, lasts, hold_key="open"), now=clock.now())
    captured, *_ = open_hold(account_id=account.pk, terms=HoldTerms(1, lasts, hold_key="captured"), now=clock.now())
    report(account, "two", hold=captured.public_id)
    factories.end_of_transaction()
    count_account(account.pk)
    report(account, "three")
    factories.end_of_transaction()
    seal_ledger(now=clock.now())
    return account


def make_terms(account: Account) -> None:
    """A price in force whose provider cost is known, a draft with and one without, and a multiplier of the account."""
    now, yesterday = clock.now(), clock.now() - timedelta(days=1)
    model = AiModel.objects.create(code="gpt-4o", name="GPT-4o")
    known, _ = (create_draft(model=model, prices=GPT_4O, effective_at=yesterday, now=now, provider=GPT_4O) for _ in range(2))
    activate_price_version(version_id=known.pk, actor_id=None, reason="Tests.", now=now)
    PriceVersion.objects.create(pk=BARE_DRAFT, model=model, effective_at=yesterday, input_nanos_per_million=1, output_nanos_per_million=1)
    PriceMultiplier.objects.create(account=account, model=model, multiplier_bp=10_000, effective_at=yesterday, activated_at=now)
    factories.forget_memories()


def copy_row(where: str, changes: Changes) -> None:
    """Insert a copy of a good row with these changes, as raw SQL would."""
    table, _, _ = where.partition(": ")
    chosen = MODELS[table].objects.filter(**GOOD_ROWS.get(where, {})).order_by("pk")
    values = chosen.values().first() | NEW.get(where, NEW[table])
    own = chosen.values().first()
    values.pop("is_empty", None)
    if "id" in values:
        values["id"] = 10**6
    values |= {name: own[name] if value is SAME else value for name, value in changes.items()}
    if "metadata" in values:
        values["metadata"] = None
    columns = ", ".join(values)
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join(['%s'] * len(values))})", list(values.values()))  # noqa: S608


def test_a_copy_that_breaks_no_rule_is_taken(account: Account) -> None:
    second = factories.make_account()
    for table in MODELS:
        copy_row(table, {"account_id": second.pk} if table in {"wallet", "usage_lifetime"} else {})
    copy_row("ledger_entry: manual", {"seq": 10**6 + 1, "source_key": "a third"})
    copy_row("allocation: settle", {"id": 10**6 + 1})


@pytest.mark.parametrize("rule", BROKEN)
def test_a_rule_of_the_database_refuses_the_row_that_breaks_it(account: Account, rule: str) -> None:
    table, all_changes = BROKEN[rule]
    before = factories.books_now()
    for changes in all_changes:
        with pytest.raises(DatabaseError) as refused:
            copy_row(table, changes)
        assert name_of_rule(refused.value) == rule, changes
    assert factories.books_now() == before


def name_of_rule(error: DatabaseError) -> str:
    """The constraint that refused; a foreign key, whose own name is made up, by what it refers to."""
    told: Any = error.__cause__
    name = str(told.diag.constraint_name)
    return next((key for key, known in foreign_keys().items() if known == name), name)


def foreign_keys() -> dict[str, str]:
    """Foreign keys of the money tables by what they say."""
    return dict(catalogue("f"))


def catalogue(kinds: str) -> Iterator[tuple[str, str]]:
    """Constraints of the money tables as (what to call it here, name)."""
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
def test_what_is_recorded_is_not_rewritten_by_raw_sql(account: Account, trigger: str) -> None:
    before = factories.books_now()
    for sql in TRIGGERS[trigger]:
        assert_refused_by_a_guard(sql)
    assert factories.books_now() == before


@pytest.mark.parametrize("trigger", FIXED_COLUMNS)
def test_only_what_may_change_can_be_changed_by_raw_sql(account: Account, trigger: str) -> None:
    table, may_change = FIXED_COLUMNS[trigger]
    columns = {field.column for field in MODELS[table]._meta.concrete_fields}
    assert may_change < columns
    before = factories.books_now()
    for column in sorted(columns - may_change):
        assert_refused_by_a_guard(f"UPDATE {table} SET {column} = {column}")  # noqa: S608
    assert factories.books_now() == before
    with connection.cursor() as cursor:
        for column in sorted(may_change - {"is_empty"}):
            open_only = " WHERE status = 'open'" if table == "hold" else ""
            cursor.execute(f"UPDATE {table} SET {column} = {column}{open_only}")  # noqa: S608


def assert_refused_by_a_guard(sql: str) -> None:
    with pytest.raises(DatabaseError) as refused, transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(sql)
    told: Any = refused.value.__cause__
    assert told.sqlstate == "23001", sql  # restrict_violation


def test_a_draft_may_be_changed_and_deleted_and_an_active_price_may_not(account: Account) -> None:
    copy_row("usage_priceversion", {"activated_at": None})
    with connection.cursor() as cursor:
        cursor.execute("UPDATE usage_priceversion SET multiplier_bp = 1 WHERE id = 10^6")
        cursor.execute("DELETE FROM usage_priceversion WHERE id = 10^6")
        assert cursor.rowcount == 1


def test_every_rule_of_the_money_tables_has_its_case_here(db: None) -> None:
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
