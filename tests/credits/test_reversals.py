"""Undoing entries, all or a part; and debt that the operator bears."""

import pytest

from accounts.models import Account
from core.models import AuditRecord
from credits.models import Category, Grant, Kind, LedgerEntry
from credits.services.adjustments import write_off
from credits.services.reversals import is_reversible, reversible_nanos
from tests import factories
from tests.concurrency.test_spending import ONE_NANO
from tests.credits.grant_acts import DAY, HOUR, NOON, agreed, claw, freeze, kinds, left, paid, refused, reverse, spend, void, wallet
from tests.spending import OPERATOR, price, report

pytestmark = pytest.mark.django_db


@pytest.fixture
def account() -> Account:
    return factories.make_account()


def entry_of(account: Account, kind: str) -> LedgerEntry:
    return LedgerEntry.objects.get(account=account, kind=kind)


def forgive(account: Account, nanos: int, key: str = "write-off:1") -> LedgerEntry:
    done = write_off(account_id=account.pk, amount_nanos=nanos, reason="Tests.", actor_id=OPERATOR, source_key=key, now=NOON)
    return agreed(done)


def may_return(entry: LedgerEntry) -> int:
    return reversible_nanos(account_id=entry.account_id, seq=entry.seq, now=NOON)


# By kind


def test_usage_is_not_reversed_but_refunded_at_its_event(account: Account) -> None:
    price("nano", ONE_NANO, since=NOON - DAY)
    paid(account, 100)
    report(account, "call", model="nano", input_tokens=40, now=NOON)
    charged = entry_of(account, "usage")
    assert not is_reversible(charged)
    with refused("entry_not_reversible"):
        reverse(charged, 10)
    with refused("entry_not_reversible"):
        may_return(charged)
    assert AuditRecord.objects.filter(act="reverse_entry").count() == 0


def test_an_adjustment_down_is_reversed_to_who_paid_it(account: Account) -> None:
    grant = paid(account, 100)
    spent = spend(account, 130)
    undone = reverse(spent)
    assert (undone.kind, undone.book, undone.amount_nanos) == ("reversal", "adjustment", 130)
    assert (left(grant), wallet(account).debt_nanos) == (100, 0)


def test_an_expiry_is_reversed_into_a_compensation_grant(account: Account) -> None:
    grant = factories.give(account, 100, expires_at=NOON + HOUR, now=NOON, priority=2)
    wallet(account, NOON + DAY)
    undone = reverse(entry_of(account, "expiry"), 60, now=NOON + DAY)
    made = Grant.objects.get(compensates=grant)
    assert (undone.kind, undone.book, made.amount_nanos, made.priority, made.category) == ("reversal", "breakage", 60, 2, "promo")
    assert wallet(account, NOON + 31 * DAY).lapsing_nanos == 60


def test_a_void_is_reversed_into_a_compensation_grant(account: Account) -> None:
    grant = paid(account, 100)
    void(grant)
    reverse(entry_of(account, "grant_void"))
    assert (left(grant), wallet(account).balance_nanos) == (0, 100)
    assert Grant.objects.get(compensates=grant).category == Category.PAID


@pytest.mark.parametrize(("kind", "by"), [(Kind.REFUND, "reversal"), (Kind.DISPUTE_LOST, "dispute_won")])
def test_a_claw_back_is_reversed_by_its_own_kind(account: Account, kind: Kind, by: str) -> None:
    grant = paid(account, 100)
    taken = claw(grant, 50, kind=kind).entry  # type: ignore[arg-type]
    assert taken is not None
    assert reverse(taken, 20).kind == by
    assert reverse(taken).amount_nanos == 30
    assert left(grant) == 100


def test_what_gave_credits_or_moved_them_is_not_reversed(account: Account) -> None:
    grant = paid(account, 100)
    spent = spend(account, 30)
    reverse(spent)
    freeze(grant, 10)
    spend(account, 200)
    forgive(account, 10)
    kinds_seen = set()
    for entry in LedgerEntry.objects.filter(account=account).exclude(kind="manual"):
        kinds_seen.add(entry.kind)
        assert not is_reversible(entry)
        with refused("entry_not_reversible"):
            reverse(entry)
        with refused("entry_not_reversible"):
            may_return(entry)
    assert kinds_seen == {"purchase", "reversal", "split", "write_off"}


def test_an_adjustment_up_is_not_reversed(account: Account) -> None:
    grant = factories.give(account, 100, kind=Kind.MANUAL, now=NOON)
    assert grant.remaining_nanos == 100
    with refused("entry_not_reversible"):
        reverse(entry_of(account, "manual"))


def test_an_entry_that_is_not_there_is_not_found(account: Account) -> None:
    other = factories.make_account()
    paid(other, 1)
    entry = spend(other, 1)
    entry.account = account
    with refused("entry_not_found"):
        reverse(entry)


# Parts


def test_parts_go_on_where_the_earlier_ones_stopped_the_last_positions_first(account: Account) -> None:
    first, second = paid(account, 10, priority=1), paid(account, 10, priority=2)
    spent = spend(account, 25)
    steps = []
    for nanos in (3, 4, 8, 10):
        reverse(spent, nanos)
        steps.append((left(first), left(second), wallet(account).debt_nanos))
    assert steps == [(0, 0, 2), (0, 2, 0), (0, 10, 0), (10, 10, 0)]


@pytest.mark.parametrize("nanos", [26, 0, -1])
def test_more_than_was_taken_is_not_given_back(account: Account, nanos: int) -> None:
    paid(account, 10)
    spent = spend(account, 25)
    with refused("more_than_was_taken"):
        reverse(spent, nanos)
    reverse(spent, 20)
    with refused("more_than_was_taken"):
        reverse(spent, 6)
    reverse(spent)
    with refused("more_than_was_taken"):
        reverse(spent)


def test_one_undo_makes_one_compensation_for_each_grant_that_ended(account: Account) -> None:
    first = paid(account, 10, priority=1, expires_at=NOON + HOUR)
    second = paid(account, 10, priority=2, expires_at=NOON + HOUR)
    lasting = paid(account, 10, priority=3)
    spent = spend(account, 30)
    undone = reverse(spent, now=NOON + DAY, key="back")
    made = {grant.compensates_id: grant.amount_nanos for grant in Grant.objects.filter(kind="compensation")}
    assert (made, left(lasting)) == ({first.pk: 10, second.pk: 10}, 10)
    assert (undone.amount_nanos, wallet(account, NOON + DAY).balance_nanos) == (30, 30)


def test_the_same_reversal_again_returns_the_first_even_without_an_amount(account: Account) -> None:
    paid(account, 100)
    spent = spend(account, 30)
    first = reverse(spent, key="back")
    before, audited = factories.books_now(), AuditRecord.objects.count()
    assert reverse(spent, key="back") == reverse(spent, 30, key="back") == first
    assert (factories.books_now(), AuditRecord.objects.count()) == (before, audited)
    with refused("source_key_reused"):
        reverse(spent, 29, key="back")
    other = spend(account, 30)
    with refused("source_key_reused"):
        reverse(other, key="back")


def test_a_reversal_leaves_an_audit_row(account: Account) -> None:
    paid(account, 2_000_000_000)
    spent = spend(account, 500_000_000)
    reverse(spent, 200_000_000)
    row = AuditRecord.objects.get(act="reverse_entry")
    assert (row.actor_id, row.reason, row.object_id) == (OPERATOR, "Tests.", f"{account.pk}/{spent.seq}")
    assert (row.before["balance_usd"], row.after["balance_usd"]) == ("1.50", "1.70")


# Write-off


def test_a_write_off_covers_the_oldest_debt_first_and_makes_no_credits(account: Account) -> None:
    older, newer = spend(account, 10), spend(account, 10)
    entry = forgive(account, 12)
    assert (entry.kind, entry.book, entry.amount_nanos, entry.balance_after_nanos) == ("write_off", "receivable", 12, -8)
    assert (wallet(account).debt_nanos, Grant.objects.filter(account=account).count()) == (8, 0)
    assert (may_return(older), may_return(newer)) == (0, 8)
    settler = paid(account, 20)
    assert left(settler) == 12


def test_a_part_that_was_written_off_is_the_operators_and_is_not_given_back(account: Account) -> None:
    paid(account, 5)
    spent = spend(account, 20)
    forgive(account, 10)
    with refused("more_than_was_taken"):
        reverse(spent, 11)
    assert reverse(spent).amount_nanos == 10
    assert wallet(account).balance_nanos == 5


def test_no_more_is_written_off_than_is_owed(account: Account) -> None:
    spend(account, 10)
    with refused("more_than_the_debt"):
        forgive(account, 11)
    for nanos in (0, -1):
        with refused("amount_out_of_range"):
            forgive(account, nanos)


def test_the_same_write_off_again_returns_the_first(account: Account) -> None:
    spend(account, 10)
    first = forgive(account, 4)
    before = factories.books_now()
    assert forgive(account, 4) == first
    assert factories.books_now() == before
    with refused("source_key_reused"):
        forgive(account, 5)
    assert AuditRecord.objects.filter(act="write_off").count() == 1
    assert kinds(account) == [("manual", -10), ("write_off", 4)]
