"""verify_ledger finds every way in which a row can lie: one row is changed by raw SQL, past the triggers, and is named."""

# ruff: noqa: E501  One lie a line: a table is read by its columns.

from datetime import timedelta
from io import StringIO
from typing import Final

import pytest
from django.core.management import call_command
from django.db import connection

from accounts.models import Account
from billing_platform.verification import verify_ledger
from billing_platform.wiring import CHECKS
from core import clock
from credits.models import Category, Grant, Kind, LedgerEntry
from credits.services.holds import HoldTerms, Opened, open_hold
from credits.services.limits import Duration, LimitTerms, Strategy, set_limit
from credits.services.sealing import seal_ledger
from credits.services.wallets import read_wallet
from tests import actors, factories
from tests.payments.orders import paid_order, reviewed_order
from tests.spending import adjust, price, refund, report

# Names the account as %(account)s; grants, entries and rows by what they are. One line each: what is done, and which check sees it.
CORRUPTIONS: Final[dict[str, tuple[str, str]]] = {
    "a balance": ("balances chain", "UPDATE ledger_entry SET balance_after_nanos = balance_after_nanos + 1 WHERE account_id = %(account)s AND seq = 2"),
    "an amount": ("balances chain", "UPDATE ledger_entry SET amount_nanos = amount_nanos - 1 WHERE account_id = %(account)s AND seq = 3"),
    "a gap": ("balances chain", "DELETE FROM ledger_entry WHERE account_id = %(account)s AND seq = 2"),
    "a first entry that is missing": ("balances chain", "DELETE FROM ledger_entry WHERE account_id = %(account)s AND seq = 1"),
    "a last entry that is missing": ("wallet is last entry", "DELETE FROM ledger_entry WHERE account_id = %(account)s AND seq = (SELECT max(seq) FROM ledger_entry WHERE account_id = %(account)s)"),
    "the wallet's balance": ("wallet is last entry", "UPDATE wallet SET balance_nanos = balance_nanos + 1 WHERE account_id = %(account)s"),
    "the wallet's spent": ("wallet is last entry", "UPDATE wallet SET spent_nanos = spent_nanos + 1 WHERE account_id = %(account)s"),
    "the wallet's next seq": ("wallet is last entry", "UPDATE wallet SET next_seq = next_seq + 1 WHERE account_id = %(account)s"),
    "a running sum of spending": ("spent chains", "UPDATE ledger_entry SET spent_after_nanos = spent_after_nanos + 1 WHERE account_id = %(account)s AND seq = 3"),
    "a pay row that is too long": ("pays tile", "UPDATE allocation SET to_nanos = to_nanos + 1 WHERE id = (SELECT min(id) FROM allocation WHERE account_id = %(account)s AND role = 'pay')"),
    "a pay row that is missing": ("pays tile", "DELETE FROM allocation WHERE id = (SELECT max(id) FROM allocation WHERE account_id = %(account)s AND role = 'pay')"),
    "a settle row beyond its shortfall": ("settles lie in shortfalls", "UPDATE allocation SET from_nanos = from_nanos - 1 WHERE account_id = %(account)s AND role = 'settle'"),
    "a settle row twice": ("settles lie in shortfalls", "INSERT INTO allocation (account_id, from_nanos, to_nanos, grant_id, role, entry_seq, created_at) SELECT account_id, from_nanos, to_nanos - 1, grant_id, role, entry_seq, created_at FROM allocation WHERE account_id = %(account)s AND role = 'settle' LIMIT 1"),
    "a return beyond its row": ("returns lie in rows", "UPDATE allocation SET from_nanos = 0, to_nanos = 10^12 WHERE account_id = %(account)s AND role = 'return'"),
    "a return of nothing": ("returns lie in rows", "UPDATE allocation SET reverses = -1 WHERE account_id = %(account)s AND role = 'return'"),
    "a return of another grant": ("returns lie in rows", "UPDATE allocation SET grant_id = grant_id + 1 WHERE account_id = %(account)s AND role = 'return'"),
    "a return twice": ("returns lie in rows", "INSERT INTO allocation (account_id, from_nanos, to_nanos, grant_id, role, reverses, into_grant_id, entry_seq, created_at) SELECT account_id, from_nanos, to_nanos, grant_id, role, reverses, into_grant_id, entry_seq, created_at FROM allocation WHERE account_id = %(account)s AND role = 'return' LIMIT 1"),
    "a return that is too short": ("undo is its returns", "UPDATE allocation SET from_nanos = from_nanos + 1 WHERE account_id = %(account)s AND role = 'return'"),
    "a return that is missing": ("undo is its returns", "DELETE FROM allocation WHERE account_id = %(account)s AND role = 'return'"),
    "a return without its undo": ("undo is its returns", "UPDATE allocation SET entry_seq = 1 WHERE account_id = %(account)s AND role = 'return'"),
    "an undo of another entry": ("undo is its returns", "UPDATE ledger_entry SET reverses = 1 WHERE account_id = %(account)s AND kind = 'usage_refund'"),
    "an undo of nothing": ("undo is its returns", "UPDATE ledger_entry SET reverses = 999 WHERE account_id = %(account)s AND kind = 'usage_refund'"),
    "a write-off that settles nothing": ("undo is its returns", "UPDATE ledger_entry SET kind = 'write_off' WHERE account_id = %(account)s AND seq = 1"),
    "what remains of a grant": ("balance is grants less debt", "UPDATE credit_grant SET remaining_nanos = remaining_nanos - 1 WHERE account_id = %(account)s AND kind = 'promo' AND remaining_nanos > 0 AND booked_at IS NOT NULL"),
    "what remains of a used grant": ("grants add up", "UPDATE credit_grant SET remaining_nanos = remaining_nanos + 1 WHERE account_id = %(account)s AND kind = 'opening'"),
    "a grant's amount": ("grants add up", "UPDATE credit_grant SET amount_nanos = amount_nanos + 1 WHERE account_id = %(account)s AND expires_at IS NOT NULL"),
    "who paid": ("grants add up", "UPDATE allocation SET grant_id = (SELECT id FROM credit_grant WHERE account_id = %(other)s LIMIT 1) WHERE account_id = %(account)s AND role = 'settle'"),
    "a return into another grant": ("grants add up", "UPDATE allocation SET into_grant_id = (SELECT id FROM credit_grant WHERE account_id = %(account)s AND booked_at IS NULL) WHERE account_id = %(account)s AND role = 'return'"),
    "a compensation that compensates nothing": ("grants add up", "UPDATE credit_grant SET compensates_id = id WHERE account_id = %(account)s AND kind = 'manual'"),
    "a grant that is not booked": ("grants are booked once", "UPDATE credit_grant SET booked_at = NULL WHERE account_id = %(account)s AND kind = 'manual'"),
    "a grant that is booked too early": ("grants are booked once", "UPDATE credit_grant SET booked_at = created_at WHERE account_id = %(account)s AND booked_at IS NULL"),
    "the booking of another grant": ("grants are booked once", "UPDATE ledger_entry SET source_key = 'x' WHERE account_id = %(account)s AND seq = 1"),
    "a claw-back from nobody": ("claw backs stay within what was given", "UPDATE ledger_entry SET kind = 'refund', source_id = '0' WHERE account_id = %(account)s AND kind = 'expiry'"),
    "the debt": ("debt is open shortfalls", "UPDATE wallet SET debt_nanos = debt_nanos + 1 WHERE account_id = %(account)s"),
    "a settle row that is missing": ("debt is open shortfalls", "DELETE FROM allocation WHERE account_id = %(account)s AND role = 'settle'"),
    "debt beside credits": ("no debt beside usable grant", "UPDATE wallet SET debt_nanos = 1 WHERE account_id = %(account)s"),
    "what is frozen": ("frozen and lapsing are sums", "UPDATE wallet SET frozen_nanos = 1 WHERE account_id = %(account)s"),
    "a grant frozen by nobody": ("frozen and lapsing are sums", "UPDATE credit_grant SET is_frozen = true WHERE account_id = %(account)s AND expires_at IS NULL AND remaining_nanos > 0"),
    "what is lapsing": ("frozen and lapsing are sums", "UPDATE wallet SET lapsing_nanos = lapsing_nanos - 1 WHERE account_id = %(account)s"),
    "a grant that lapses later": ("frozen and lapsing are sums", "UPDATE credit_grant SET expires_at = expires_at + interval '1 day' WHERE account_id = %(account)s AND remaining_nanos > 0 AND booked_at IS NOT NULL"),
    "a change that nobody would book": ("next change is never late", "UPDATE wallet SET next_change_at = NULL WHERE account_id = %(account)s"),
    "what is reserved": ("reserved is open holds", "UPDATE wallet SET reserved_nanos = 1 WHERE account_id = %(account)s"),
    "a hold that was ended behind the wallet's back": ("reserved is open holds", "UPDATE hold SET status = 'voided', closed_at = opened_at WHERE account_id = %(account)s AND status = 'open'"),
    "a hold that should have ended": ("reserved is open holds", "UPDATE hold SET expires_at = opened_at + interval '1 microsecond' WHERE account_id = %(account)s AND status = 'open'"),
    "a hold's end that nobody would book": ("next change is never late", "UPDATE wallet SET next_change_at = next_change_at + interval '2 days' WHERE account_id = %(account)s"),
    "a hold captured by another event": ("holds match events", "UPDATE hold SET event_id = 'none' WHERE account_id = %(account)s AND status = 'captured'"),
    "an event that captured nothing": ("holds match events", "UPDATE usage_event SET flag = 'late' WHERE account_id = %(account)s AND event_id = 'held'"),
    "what a limit counts": ("limit buckets recount", "UPDATE limit_bucket SET nanos = nanos + 1 WHERE account_id = %(account)s"),
    "a limit that nobody would ask": ("limit buckets recount", "UPDATE wallet SET has_limits = false WHERE account_id = %(account)s"),
    "what an event charged": ("events match entries", "UPDATE usage_event SET charged_nanos = charged_nanos - 1, cost_nanos = cost_nanos - 1 WHERE account_id = %(account)s AND event_id = 'one'"),
    "by which key an event was spent": ("events match entries", "UPDATE ledger_entry SET api_key_id = 9 WHERE account_id = %(account)s AND source_id = 'one'"),
    "an event that is missing": ("events match entries", "DELETE FROM usage_event WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event without an entry": ("events match entries", "UPDATE ledger_entry SET kind = 'expiry' WHERE account_id = %(account)s AND source_id = 'one'"),
    "an entry of another event": ("events match entries", "UPDATE ledger_entry SET source_id = 'none' WHERE account_id = %(account)s AND source_id = 'one'"),
    "what was given back of an event": ("refunds match entries", "UPDATE usage_event SET refunded_nanos = refunded_nanos + 1 WHERE account_id = %(account)s AND event_id = 'two'"),
    "a refund that no event knows": ("refunds match entries", "UPDATE usage_event SET refunded_nanos = 0 WHERE account_id = %(account)s AND event_id = 'two'"),
    "a refund of another event": ("refunds match entries", "UPDATE ledger_entry SET reverses = (SELECT seq FROM ledger_entry WHERE account_id = %(account)s AND source_id = 'one') WHERE account_id = %(account)s AND kind = 'usage_refund'"),
    "an event's price": ("events name the price in force", "UPDATE usage_event SET price_version_id = -1 WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event's time": ("events name the price in force", "UPDATE usage_event SET occurred_at = occurred_at - interval '1 year' WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event's model": ("events name the price in force", "UPDATE usage_event SET model_id = -1 WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event's multiplier": ("events name the multiplier in force", "UPDATE usage_event SET multiplier_id = -1 WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event's cost": ("events cost what rating says", "UPDATE usage_event SET cost_nanos = cost_nanos + 1, absorbed_nanos = 1 WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event's tokens": ("events cost what rating says", "UPDATE usage_event SET output_tokens = output_tokens + 1 WHERE account_id = %(account)s AND event_id = 'one'"),
    "an event beyond all price": ("events cost what rating says", "UPDATE usage_event SET output_tokens = 2^62 WHERE account_id = %(account)s AND event_id = 'one'"),
    "a price that was rewritten": ("events cost what rating says", "UPDATE usage_priceversion SET input_nanos_per_million = 1"),
    "a day's count": ("days recount", "UPDATE usage_day SET events = events + 1 WHERE account_id = %(account)s"),
    "a day that is missing": ("days recount", "DELETE FROM usage_day WHERE account_id = %(account)s"),
    "a day's key": ("days recount", "UPDATE usage_day SET api_key_id = 9 WHERE account_id = %(account)s"),
    "a quarter's cost": ("quarters recount", "UPDATE usage_quarter SET cost_nanos = cost_nanos + 1 WHERE account_id = %(account)s"),
    "a quarter that is missing": ("quarters recount", "DELETE FROM usage_quarter WHERE account_id = %(account)s"),
    "a quarter at another time": ("quarters recount", "UPDATE usage_quarter SET starts_at = starts_at + interval '15 minutes' WHERE account_id = %(account)s"),
    "a lifetime's tokens": ("lifetimes recount", "UPDATE usage_lifetime SET reasoning_tokens = 1 WHERE account_id = %(account)s"),
    "a lifetime that is missing": ("lifetimes recount", "DELETE FROM usage_lifetime WHERE account_id = %(account)s"),
    "an order's price": ("orders add up", "UPDATE payment_order SET amount_minor = amount_minor + 1 WHERE account_id = %(account)s AND status = 'in_review'"),
    "an order's line that is missing": ("orders add up", "DELETE FROM payment_order_line WHERE order_id IN (SELECT id FROM payment_order WHERE account_id = %(account)s AND status = 'in_review')"),
    "an order that was not paid in full": ("orders add up", "UPDATE payment_attempt SET settled_minor = settled_minor - 1 WHERE id IN (SELECT paid_attempt_id FROM payment_order WHERE account_id = %(account)s)"),
    "an order paid in another currency": ("orders add up", "UPDATE payment_attempt SET settled_currency = 'EUR' WHERE id IN (SELECT paid_attempt_id FROM payment_order WHERE account_id = %(account)s)"),
    "an order paid by nothing": ("orders add up", "UPDATE payment_attempt SET status = 'failed', settled_minor = NULL, settled_currency = '' WHERE id IN (SELECT paid_attempt_id FROM payment_order WHERE account_id = %(account)s)"),
    "an order paid by another's money": ("orders add up", "UPDATE payment_attempt SET order_id = (SELECT id FROM payment_order WHERE account_id = %(account)s AND status = 'in_review') WHERE id IN (SELECT paid_attempt_id FROM payment_order WHERE account_id = %(account)s)"),
    "credits that an order did not promise": ("paid orders have their credits", "UPDATE payment_order_line SET credit_nanos = credit_nanos - 1 WHERE order_id IN (SELECT id FROM payment_order WHERE account_id = %(account)s AND status = 'paid')"),
    "a paid order without credits": ("paid orders have their credits", "UPDATE credit_grant SET source_type = 'tests' WHERE account_id = %(account)s AND source_type = 'order'"),
    "credits of no order": ("paid orders have their credits", "UPDATE credit_grant SET source_type = 'order', source_id = 'ord_none' WHERE account_id = %(account)s AND kind = 'opening'"),
    "credits twice": ("paid orders have their credits", "UPDATE credit_grant SET source_type = 'order', source_id = (SELECT public_id FROM payment_order WHERE account_id = %(account)s AND status = 'paid') WHERE account_id = %(account)s AND kind = 'opening'"),
    "credits of an order that is not paid": ("paid orders have their credits", "UPDATE payment_order SET status = 'cancelled', closed_at = paid_at, paid_at = NULL, paid_attempt_id = NULL WHERE account_id = %(account)s AND status = 'paid'"),
    "money that paid nothing": ("settled money is credited or reviewed", "UPDATE payment_order SET status = 'cancelled', closed_at = paid_at, paid_at = NULL, paid_attempt_id = NULL WHERE account_id = %(account)s AND status = 'paid'"),
    "money that nobody looks at": ("settled money is credited or reviewed", "DELETE FROM payment_review WHERE order_id IN (SELECT id FROM payment_order WHERE account_id = %(account)s)"),
    "money beside a review of another payment": ("settled money is credited or reviewed", "UPDATE payment_review SET reason = 'wrong_provider' WHERE order_id IN (SELECT id FROM payment_order WHERE account_id = %(account)s)"),
    "an order that waits for a decision that was made": ("settled money is credited or reviewed", "UPDATE payment_review SET resolution = 'closed', resolved_at = opened_at WHERE order_id IN (SELECT id FROM payment_order WHERE account_id = %(account)s)"),
    "a wallet that is missing": ("no orphans", "DELETE FROM wallet WHERE account_id = %(account)s"),
    "an account that is missing": ("no orphan events", "DELETE FROM accounts_account WHERE id = %(account)s"),
    "time that falls": ("time follows seq", "UPDATE ledger_entry SET created_at = created_at - interval '1 year' WHERE account_id = %(account)s AND seq = 3"),
    "time ahead of the wallet's clock": ("time follows seq", "UPDATE wallet SET clock_at = clock_at - interval '1 day' WHERE account_id = %(account)s"),
    "an entry that was sealed otherwise": ("entries are what was sealed", "UPDATE ledger_entry SET occurred_at = occurred_at - interval '1 second' WHERE account_id = %(account)s AND seq = 2"),
    "a seal's digest": ("seals are a chain", "UPDATE ledger_seal SET digest = sha256('x') WHERE number IN (SELECT seal_id FROM ledger_checkpoint WHERE account_id = %(account)s)"),
    "a seal that is missing": ("checkpoints have their seals", "DELETE FROM ledger_seal WHERE number IN (SELECT seal_id FROM ledger_checkpoint WHERE account_id = %(account)s)"),
}  # fmt: skip


def make_rich_history() -> Account:
    """An account with every kind of row: paid, in debt and settled, given back, expired, lapsing, not yet effective."""
    account = factories.make_account()
    now = clock.now()
    price()
    then = now - timedelta(hours=1)
    factories.give(account, 9, expires_at=then - timedelta(minutes=59), now=then - timedelta(hours=1))
    factories.give(account, 4_000_000, category=Category.PAID, kind=Kind.OPENING, now=then)
    factories.give(account, 1_000, effective_at=now + timedelta(days=9), now=then)
    report(account, "one", "two", now=then)
    factories.end_of_transaction()
    adjust(account, 10_000_000, now - timedelta(minutes=30))
    refund(account, "two", 1_200_000, now=now - timedelta(minutes=20))
    factories.give(account, 77, expires_at=now - timedelta(minutes=1), now=now - timedelta(minutes=5))
    read_wallet(account_id=account.pk, now=now)
    set_limit(account_id=account.pk, terms=LimitTerms(10**9, Duration.DAILY, Strategy.SLIDING), actor_id=None, reason="Tests.", now=now)
    captured, *_ = hold(account, "captured")
    report(account, "held", hold=captured.public_id, input_tokens=1)
    factories.end_of_transaction()
    hold(account, "open")
    paid_order(account)
    reviewed_order(account)
    seal_ledger(now=clock.now())
    return account


def hold(account: Account, key: str) -> Opened:
    return open_hold(account_id=account.pk, terms=HoldTerms(5_000, timedelta(hours=1), hold_key=key), now=clock.now())


@pytest.fixture
def account(db: None) -> Account:
    return make_rich_history()


@pytest.fixture
def other(account: Account) -> Account:
    other = factories.make_account()
    adjust(other, 5_000_000)
    report(other, "one")
    factories.end_of_transaction()
    return other


def corrupt(sql: str, **values: int) -> None:
    """Change rows past triggers and foreign keys, as a hand in the database would."""
    with connection.cursor() as cursor:
        cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(sql, values)
        assert cursor.rowcount > 0
        cursor.execute("SET session_replication_role = origin")


def test_the_history_that_is_corrupted_has_every_kind_of_row(account: Account) -> None:
    kinds = set(LedgerEntry.objects.filter(account=account).values_list("kind", flat=True))
    assert kinds >= {"opening", "promo", "usage", "usage_refund", "expiry", "manual"}
    with connection.cursor() as cursor:
        cursor.execute("SELECT role, grant_id IS NULL FROM allocation WHERE account_id = %s", [account.pk])
        assert set(cursor.fetchall()) == {("pay", False), ("pay", True), ("settle", False), ("return", False)}
    assert Grant.objects.filter(account=account, booked_at=None).count() == 1
    assert factories.disagreements() == []


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_one_row_that_lies_is_named(account: Account, other: Account, name: str) -> None:
    check, sql = CORRUPTIONS[name]
    corrupt(sql, **({"account": account.pk, "other": other.pk} if "%(other)" in sql else {"account": account.pk}))
    found = factories.disagreements()
    invariant = next(known.invariant for known in CHECKS if known.name == check)
    assert [one for one in found if one[:2] == (invariant, account.pk) and one[2].startswith(f"{check}: ")], found
    if "usage_priceversion" not in sql:
        assert {account_id for _, account_id, _ in found} == {account.pk}


def test_every_check_sees_some_lie() -> None:
    assert {check for check, _ in CORRUPTIONS.values()} | LIES_ELSEWHERE == {check.name for check in CHECKS}


LIES_ELSEWHERE: Final = {
    *("house balances chain", "house time follows seq", "absorbed days are booked", "write offs are booked"),
    *("revenue days recount", "revenue totals add up", "account days recount", "platform days add up"),
    *("marks match events", "no multiplier is left out"),
}
"""
test_house.py, test_written_off.py and test_revenue.py here, test_absorbed.py, test_platform_days.py and test_multipliers.py of usage, and
test_counting.py of concurrency.
"""

ORPHANS: Final = {
    "ledger_entry": "INSERT INTO ledger_entry (account_id, seq, kind, book, amount_nanos, balance_after_nanos, spent_after_nanos, source_type, source_id, description, reference, occurred_at, created_at) VALUES (%(nobody)s, 1, 'promo', 'promo', 1, 1, 0, '', '', '', '', now(), now())",
    "allocation": "INSERT INTO allocation (account_id, from_nanos, to_nanos, role, entry_seq, created_at) VALUES (%(nobody)s, 0, 1, 'pay', 1, now())",
    "credit_grant": "INSERT INTO credit_grant (account_id, kind, book, source_type, source_id, source_key, category, cost_basis_minor, cost_basis_currency, priority, effective_at, amount_nanos, remaining_nanos, is_frozen, created_at) VALUES (%(nobody)s, 'promo', 'promo', '', '', '', 'promo', 0, 'USD', 0, now(), 1, 1, false, now())",
    "usage_day": "INSERT INTO usage_day (account_id, day, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos) VALUES (%(nobody)s, '2026-01-01', 1, 0, '', 'success', 1, 0, 0, 0, 0, 0, 0)",
    "usage_quarter": "INSERT INTO usage_quarter (account_id, starts_at, model_id, api_key_id, endpoint, status, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos) VALUES (%(nobody)s, '2026-01-01', 1, 0, '', 'success', 1, 0, 0, 0, 0, 0, 0)",
    "usage_lifetime": "INSERT INTO usage_lifetime (account_id, events, input_tokens, output_tokens, cache_read_tokens, cache_write_tokens, reasoning_tokens, cost_nanos) VALUES (%(nobody)s, 1, 0, 0, 0, 0, 0, 0)",
}  # fmt: skip
NOBODY: Final = 50_000


@pytest.mark.django_db(transaction=True)
def test_rows_of_an_account_beyond_all_accounts_are_found() -> None:
    assert verify_ledger(now=clock.now()).discrepancies == []
    for table, sql in ORPHANS.items():
        corrupt(sql, nobody=NOBODY)
        found = verify_ledger(now=clock.now()).discrepancies
        assert (15, NOBODY) in {(one.invariant, one.account_id) for one in found}, table
        corrupt(f"DELETE FROM {table} WHERE account_id = %(nobody)s", nobody=NOBODY)  # noqa: S608
    assert verify_ledger(now=clock.now()).discrepancies == []


def run_command(*arguments: str) -> tuple[int, str, str]:
    """The exit code of `manage.py verify_ledger`, and what it says on stdout and stderr."""
    out, err = StringIO(), StringIO()
    try:
        call_command("verify_ledger", *arguments, stdout=out, stderr=err)
    except SystemExit as left:
        return int(str(left.code)), out.getvalue(), err.getvalue()
    return 0, out.getvalue(), err.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_command_is_silent_about_books_that_agree_and_names_what_does_not() -> None:
    account, other = make_rich_history(), actors.make_person("other").account
    adjust(other, 5)
    assert run_command() == (0, "", "")
    assert run_command("--account", str(account.pk)) == (0, "", "")

    corrupt("UPDATE ledger_entry SET balance_after_nanos = 6 WHERE account_id = %(account)s", account=other.pk)
    code, out, err = run_command()
    assert (code, out) == (1, "")
    assert f"account {other.pk}, invariant 1: balances chain: entry 1" in err
    assert f"account {account.pk}," not in err
    assert run_command("--account", str(account.pk)) == (0, "", "")
    assert run_command("--account", str(other.pk))[0] == 1

    corrupt("UPDATE ledger_entry SET balance_after_nanos = 5 WHERE account_id = %(account)s", account=other.pk)
    assert run_command() == (0, "", "")


@pytest.mark.django_db(transaction=True)
def test_a_late_sweep_has_an_exit_code_of_its_own() -> None:
    account = factories.make_account()
    begin = clock.now() - timedelta(days=1)
    factories.give(account, 5, effective_at=clock.now() - timedelta(minutes=14), now=begin)
    assert run_command() == (0, "", "")
    factories.give(account, 5, effective_at=clock.now() - timedelta(minutes=16), now=begin)
    code, out, err = run_command()
    assert (code, out) == (3, "")
    assert "1 wallets are overdue" in err
    corrupt("UPDATE wallet SET balance_nanos = 1 WHERE account_id = %(account)s", account=account.pk)
    assert run_command()[0] == 1
    corrupt("UPDATE wallet SET balance_nanos = 0 WHERE account_id = %(account)s", account=account.pk)
    read_wallet(account_id=account.pk, now=clock.now())
    assert run_command() == (0, "", "")
