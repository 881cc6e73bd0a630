"""The life of a grant by acts: its money settles, it is voided, frozen, split, released."""

import pytest

from accounts.models import Account
from core.models import AuditRecord
from credits.books import Source
from credits.models import Book, Category, Grant, Kind, LedgerEntry
from credits.services.grants import GrantTerms, issue_grant, release_grant, settle_grant, void_grant
from tests import factories
from tests.credits.grant_acts import (
    DAY,
    HOUR,
    NOON,
    SECOND,
    agreed,
    freeze,
    kinds,
    left,
    paid,
    payers,
    refused,
    release,
    reverse,
    spend,
    void,
    wallet,
)
from tests.spending import OPERATOR

pytestmark = pytest.mark.django_db
GRACE = HOUR / 6


@pytest.fixture
def account() -> Account:
    return factories.make_account()


def pending(account: Account, nanos: int, **terms: object) -> Grant:
    """A purchase whose money is on its way."""
    said = GrantTerms(
        amount_nanos=nanos,
        kind=Kind.PURCHASE,
        book=Book.CLEARING_STRIPE,
        category=Category.PAID,
        source=Source("checkout", "1", "order:ord_1:paid"),
        is_pending=True,
        **terms,  # type: ignore[arg-type]
    )
    return agreed(issue_grant(account_id=account.pk, terms=said, now=NOON))


def settle(account: Account, now: object = NOON) -> Grant:
    return agreed(settle_grant(account_id=account.pk, source_key="order:ord_1:paid", now=now))  # type: ignore[arg-type]


# Pending settlement


def test_a_pending_grant_is_booked_when_its_money_settles_and_only_then(account: Account) -> None:
    grant = pending(account, 100)
    assert wallet(account, NOON + DAY).balance_nanos == 0
    assert kinds(account) == []
    assert settle(account, NOON + DAY).booked_at == NOON + DAY
    assert kinds(account) == [("purchase", 100)]
    before = factories.books_now()
    assert settle(account, NOON + DAY) == grant
    assert factories.books_now() == before


def test_a_pending_grant_that_is_not_effective_when_it_settles_is_booked_when_it_is(account: Account) -> None:
    pending(account, 100, effective_at=NOON + DAY)
    assert settle(account, NOON + HOUR).booked_at is None
    assert wallet(account, NOON + DAY - SECOND).balance_nanos == 0
    assert wallet(account, NOON + DAY).balance_nanos == 100


def test_a_pending_grant_that_settles_after_its_end_lapses_at_once_and_expires(account: Account) -> None:
    pending(account, 100, expires_at=NOON + HOUR)
    settle(account, NOON + HOUR)
    assert wallet(account, NOON + HOUR).lapsing_nanos == 100
    assert wallet(account, NOON + HOUR + GRACE).balance_nanos == 0
    assert kinds(account) == [("purchase", 100), ("expiry", -100)]


def test_money_that_settles_pays_debt(account: Account) -> None:
    spend(account, 30)
    grant = pending(account, 100)
    assert wallet(account).debt_nanos == 30
    settle(account)
    assert (wallet(account).debt_nanos, left(grant)) == (0, 70)


def test_a_pending_grant_that_is_voided_books_nothing_and_cannot_settle(account: Account) -> None:
    grant = pending(account, 100)
    assert void(grant).voided_at == NOON
    assert kinds(account) == []
    with refused("grant_not_live"):
        settle(account, NOON + HOUR)


def test_money_for_a_grant_that_is_not_there_is_refused(account: Account) -> None:
    with refused("grant_not_found"):
        settle(account)


# Void


def test_a_void_ends_what_remains_and_leaves_what_was_spent(account: Account) -> None:
    grant = paid(account, 100)
    spent = spend(account, 40)
    assert void(grant, NOON + HOUR).voided_at == NOON + HOUR
    assert kinds(account) == [("purchase", 100), ("manual", -40), ("grant_void", -60)]
    entry = LedgerEntry.objects.get(account=account, kind="grant_void")
    assert (entry.source_key, entry.actor_id, entry.book) == (f"grant:{grant.pk}:grant_void", OPERATOR, "breakage")
    assert payers(entry) == [(grant.pk, 60)]
    assert payers(spent) == [(grant.pk, 40)]


def test_a_second_void_does_nothing(account: Account) -> None:
    grant = paid(account, 100)
    void(grant)
    before, audited = factories.books_now(), AuditRecord.objects.count()
    void(grant, NOON)
    assert (factories.books_now(), AuditRecord.objects.count()) == (before, audited)


def test_a_grant_that_is_not_effective_is_voided_without_an_entry_and_never_comes(account: Account) -> None:
    grant = factories.give(account, 100, effective_at=NOON + DAY, now=NOON)
    void(grant)
    assert wallet(account, NOON + 2 * DAY).balance_nanos == 0
    assert kinds(account) == []


def test_a_lapsing_grant_can_be_voided(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    void(grant, NOON + HOUR + SECOND)
    assert wallet(account, NOON + DAY).lapsing_nanos == 0
    assert kinds(account) == [("purchase", 100), ("grant_void", -100)]


def test_a_grant_that_was_used_up_is_not_voided(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 100)
    with refused("grant_not_live"):
        void(grant)


def test_a_grant_that_has_expired_is_not_voided_even_if_nobody_has_booked_that_yet(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    with refused("grant_not_live"):
        void(grant, NOON + HOUR + GRACE)
    wallet(account, NOON + DAY)
    with refused("grant_not_live"):
        void(grant, NOON + DAY)


def test_another_accounts_grant_is_not_found(account: Account) -> None:
    grant = paid(factories.make_account(), 100)
    with refused("grant_not_found"):
        void_grant(account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=OPERATOR, now=NOON)


def test_an_operators_void_leaves_an_audit_row_with_what_it_changed(account: Account) -> None:
    grant = paid(account, 2_000_000_000)
    void(grant)
    row = AuditRecord.objects.get(act="void_grant")
    assert (row.actor_id, row.reason, row.object_type, row.object_id) == (OPERATOR, "Tests.", "credit_grant", str(grant.pk))
    assert (row.before["balance_usd"], row.after["balance_usd"]) == ("2.00", "0.00")
    assert (row.before["is_void"], row.after["is_void"]) == (False, True)


# Freeze and release


def test_a_frozen_grant_neither_pays_nor_is_available(account: Account) -> None:
    grant = paid(account, 100)
    freeze(grant)
    assert (wallet(account).frozen_nanos, wallet(account).available_nanos, wallet(account).balance_nanos) == (100, 0, 100)
    assert payers(spend(account, 30)) == [(None, 30)]
    assert (left(grant), wallet(account).debt_nanos) == (100, 30)


def test_a_frozen_grant_neither_lapses_nor_expires(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    freeze(grant)
    there = wallet(account, NOON + DAY)
    assert (there.frozen_nanos, there.lapsing_nanos, there.balance_nanos, there.next_change_at) == (100, 0, 100, None)
    assert kinds(account) == [("purchase", 100)]


def test_a_lapsing_grant_that_is_frozen_stays(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    freeze(grant, now=NOON + HOUR + SECOND)
    assert wallet(account, NOON + DAY).frozen_nanos == 100


def test_a_frozen_grant_takes_what_is_returned_to_it_even_after_its_end(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    spent = spend(account, 100)
    freeze(grant)
    reverse(spent, 70, now=NOON + DAY)
    assert (left(grant), wallet(account, NOON + DAY).frozen_nanos) == (70, 70)
    assert Grant.objects.filter(kind="compensation").count() == 0


def test_a_released_grant_pays_debt_that_came_up_meanwhile(account: Account) -> None:
    grant = paid(account, 100)
    freeze(grant)
    spend(account, 30)
    release(grant, NOON + HOUR)
    assert (left(grant), wallet(account, NOON + HOUR).debt_nanos) == (70, 0)


def test_a_release_after_its_end_and_the_grace_books_the_expiry_at_once_and_pays_no_debt(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    freeze(grant)
    spend(account, 30)
    released = release(grant, NOON + DAY)
    assert (released.remaining_nanos, released.expired_at, released.is_frozen) == (0, NOON + DAY, False)
    expiry = LedgerEntry.objects.get(account=account, kind="expiry")
    assert (expiry.amount_nanos, expiry.occurred_at, expiry.created_at) == (-100, NOON + HOUR + GRACE, NOON + DAY)
    assert wallet(account, NOON + DAY).debt_nanos == 30


def test_a_release_within_the_grace_leaves_the_grant_lapsing(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    freeze(grant)
    release(grant, NOON + HOUR + SECOND)
    assert wallet(account, NOON + HOUR + SECOND).lapsing_nanos == 100
    assert wallet(account, NOON + HOUR + GRACE).balance_nanos == 0


def test_a_grant_frozen_before_it_is_effective_is_booked_frozen(account: Account) -> None:
    grant = factories.give(account, 100, effective_at=NOON + HOUR, now=NOON)
    spend(account, 10)
    freeze(grant, 40)
    there = wallet(account, NOON + DAY)
    assert (there.frozen_nanos, there.debt_nanos, there.balance_nanos) == (100, 10, 90)


def test_what_is_frozen_is_not_frozen_again_and_what_has_ended_never(account: Account) -> None:
    grant, ended, expired = paid(account, 100), paid(account, 100), paid(account, 100, expires_at=NOON + HOUR)
    freeze(grant)
    void(ended)
    wallet(account, NOON + DAY)
    for refusal in (grant, ended, expired):
        with refused("grant_not_live"):
            freeze(refusal, now=NOON + DAY)


def test_releasing_what_is_not_frozen_does_nothing(account: Account) -> None:
    grant = paid(account, 100)
    before = factories.books_now()
    release(grant)
    assert factories.books_now() == before
    assert AuditRecord.objects.filter(act="release_grant").count() == 0


def test_a_frozen_grant_can_be_voided(account: Account) -> None:
    grant = paid(account, 100)
    freeze(grant)
    void(grant)
    assert (wallet(account).frozen_nanos, wallet(account).balance_nanos) == (0, 0)


# Splits


def test_a_partial_freeze_splits_a_part_off_on_the_same_terms(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + DAY, priority=3)
    spend(account, 20)
    part = freeze(grant, 30)
    assert (left(grant), part.remaining_nanos, part.amount_nanos) == (50, 30, 30)
    assert (part.is_frozen, Grant.objects.get(pk=grant.pk).is_frozen, part.root_id) == (True, False, grant.pk)
    same = ("kind", "book", "source_type", "source_id", "category", "priority", "effective_at", "expires_at", "cost_basis_currency")
    assert [getattr(part, field) for field in same] == [getattr(grant, field) for field in same]
    assert part.source_key == f"grant:{grant.pk}:split:1"
    taken, booked = LedgerEntry.objects.filter(account=account, kind="split").order_by("seq")
    assert (taken.amount_nanos, booked.amount_nanos) == (-30, 30)
    assert (taken.source_key, booked.source_key) == (f"grant:{grant.pk}:split:1", f"grant:{part.pk}:effective")
    assert payers(taken) == [(grant.pk, 30)]
    assert wallet(account).balance_nanos == 80


def test_a_part_takes_its_share_of_what_was_paid_with_it(account: Account) -> None:
    terms = GrantTerms(
        amount_nanos=1_000,
        kind=Kind.PURCHASE,
        book=Book.CLEARING_STRIPE,
        category=Category.PAID,
        source=Source("checkout", "1", "order:ord_1:paid"),
        cost_basis_minor=501,
    )
    grant = issue_grant(account_id=account.pk, terms=terms, now=NOON)
    assert freeze(grant, 200).cost_basis_minor == 100


def test_a_dispute_of_more_than_remains_freezes_the_grant_itself(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 60)
    assert freeze(grant, 40).pk == grant.pk
    assert Grant.objects.filter(account=account).count() == 1


def test_a_part_is_split_and_split_again_in_one_family(account: Account) -> None:
    grant = paid(account, 100)
    first = freeze(grant, 30)
    release(first)
    second = freeze(first, 10)
    third = freeze(grant, 5)
    assert [part.root_id for part in (first, second, third)] == [grant.pk] * 3
    assert len({first.source_key, second.source_key, third.source_key}) == 3
    assert [left(lot) for lot in (grant, first, second, third)] == [65, 20, 10, 5]


def test_the_same_part_again_returns_what_was_split_off(account: Account) -> None:
    grant = paid(account, 100)
    part = freeze(grant, 30, part="dp_1")
    assert part.source_key == f"grant:{grant.pk}:split:dp_1"
    before = factories.books_now()
    assert freeze(grant, 30, part="dp_1") == part
    assert factories.books_now() == before
    with refused("source_key_reused"):
        freeze(grant, 31, part="dp_1")


@pytest.mark.parametrize("nanos", [0, -1])
def test_nothing_is_not_frozen(account: Account, nanos: int) -> None:
    grant = paid(account, 100)
    with refused("amount_out_of_range"):
        freeze(grant, nanos)


def test_a_part_that_is_released_burns_and_expires_by_its_own(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    part = freeze(grant, 30)
    wallet(account, NOON + DAY)
    assert (left(grant), left(part)) == (0, 30)
    release_grant(account_id=account.pk, grant_id=part.pk, reason="Tests.", actor_id=None, now=NOON + DAY)
    assert wallet(account, NOON + DAY).balance_nanos == 0
    assert [kind for kind, _ in kinds(account)] == ["purchase", "split", "split", "expiry", "expiry"]


# Issue by an operator


def test_a_grant_issued_for_a_reason_leaves_one_audit_row(account: Account) -> None:
    terms = GrantTerms(7, Kind.COMPENSATION, Book.PROMO, Category.PROMO, Source("operator", "1", "once"), actor_id=OPERATOR)
    for _ in range(2):
        issue_grant(account_id=account.pk, terms=terms, now=NOON, reason="Outage of Tuesday.")
    row = AuditRecord.objects.get(act="issue_grant")
    assert (row.actor_id, row.reason, row.after["remaining_usd"]) == (OPERATOR, "Outage of Tuesday.", "0.000000007")
