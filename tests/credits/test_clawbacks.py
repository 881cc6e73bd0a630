"""Taking back what was given: from the grant, from the others, into debt; within what was given; and giving it back exactly."""

from typing import Final

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from accounts.models import Account
from core.models import AuditRecord
from credits.books import Source
from credits.models import Book, Category, Grant, Kind, LedgerEntry
from credits.services.adjustments import write_off
from credits.services.clawbacks import ClawBack, claw_back_left, claw_back_source, undo_claw_back
from credits.services.grants import GrantTerms, issue_grant
from tests import factories
from tests.credits.grant_acts import (
    DAY,
    HOUR,
    NOON,
    SECOND,
    agreed,
    claw,
    freeze,
    kinds,
    left,
    paid,
    payers,
    refused,
    release,
    reverse,
    spend,
    unclaw,
    void,
    wallet,
)
from tests.credits.test_verification import corrupt
from tests.spending import OPERATOR

pytestmark = pytest.mark.django_db
LOST: Final = Kind.DISPUTE_LOST


@pytest.fixture
def account() -> Account:
    return factories.make_account()


def allowed(grant: Grant) -> int:
    return claw_back_left(account_id=grant.account_id, grant_id=grant.pk)


# Who pays


def test_a_claw_back_takes_from_its_own_grant_first(account: Account) -> None:
    sooner = paid(account, 50, priority=-1)
    grant = paid(account, 100)
    done = claw(grant, 80, key=f"refund:rf_1:{grant.pk}")
    assert done.entry is not None
    entry = done.entry
    assert (entry.kind, entry.amount_nanos, entry.source_type, entry.source_id) == ("refund", -80, "grant", str(grant.pk))
    assert (entry.source_key, entry.book, done.shortfall_nanos) == (f"refund:rf_1:{grant.pk}", grant.book, 0)
    assert payers(entry) == [(grant.pk, 80)]
    assert (left(grant), left(sooner)) == (20, 50)


def test_then_from_others_in_burn_down_order_and_then_into_debt(account: Account) -> None:
    later, sooner = paid(account, 10, priority=2), paid(account, 10, priority=1)
    grant = paid(account, 100, priority=-1)
    frozen = freeze(paid(account, 10))
    spend(account, 95)
    done = claw(grant, 100)
    assert payers(done.entry) == [(grant.pk, 5), (sooner.pk, 10), (later.pk, 10), (None, 75)]
    assert (done.shortfall_nanos, wallet(account).debt_nanos, left(frozen)) == (75, 75, 10)


def test_a_claw_back_of_a_spent_grant_becomes_debt_and_the_next_grant_settles_it(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 100)
    assert claw(grant, 100).shortfall_nanos == 100
    assert (wallet(account).balance_nanos, wallet(account).debt_nanos) == (-100, 100)
    after = paid(account, 130, now=NOON + HOUR)
    assert (left(after), wallet(account, NOON + HOUR).debt_nanos) == (30, 0)


def test_a_frozen_grant_pays_its_own_claw_back_and_stays_frozen_after_a_refund(account: Account) -> None:
    grant = paid(account, 100)
    freeze(grant)
    claw(grant, 40)
    assert (left(grant), wallet(account).frozen_nanos) == (60, 60)


def test_a_lost_dispute_ends_the_freeze_in_the_same_act(account: Account) -> None:
    grant = paid(account, 100)
    freeze(grant)
    spend(account, 25)
    done = claw(grant, 70, kind=LOST)
    assert (payers(done.entry), done.shortfall_nanos) == ([(grant.pk, 70)], 0)
    there = wallet(account)
    assert (left(grant), there.frozen_nanos, there.debt_nanos, there.available_nanos) == (5, 0, 0, 5)


def test_what_a_lost_dispute_leaves_of_a_grant_past_its_end_expires_at_once(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    freeze(grant)
    claw(grant, 70, kind=LOST, now=NOON + DAY)
    assert kinds(account) == [("purchase", 100), ("dispute_lost", -70), ("expiry", -30)]


def test_a_lapsing_grant_pays_its_own_claw_back(account: Account) -> None:
    other, grant = paid(account, 10), paid(account, 100, expires_at=NOON + HOUR)
    assert payers(claw(grant, 100, now=NOON + HOUR + SECOND).entry) == [(grant.pk, 100)]
    assert left(other) == 10


def test_a_grant_that_is_not_booked_is_voided_instead(account: Account) -> None:
    grant = factories.give(account, 100, effective_at=NOON + DAY, now=NOON)
    spend(account, 5)
    for now in (NOON, NOON + HOUR):
        assert claw(grant, 100, key="refund:rf_1", now=now) == ClawBack(grant.pk, None, 0)
    assert Grant.objects.get(pk=grant.pk).voided_at == NOON
    assert kinds(account) == [("manual", -5)]
    assert wallet(account, NOON + 2 * DAY).balance_nanos == -5


# Never more than was given


def test_what_expiry_voids_and_earlier_claw_backs_took_is_not_taken_again(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    assert allowed(grant) == 100
    spend(account, 20)
    claw(grant, 30)
    assert allowed(grant) == 70
    wallet(account, NOON + DAY)
    assert kinds(account)[-1] == ("expiry", -50)
    assert allowed(grant) == 20
    with refused("more_than_was_given"):
        claw(grant, 21, now=NOON + DAY)
    assert claw(grant, 20, now=NOON + DAY).shortfall_nanos == 20
    with refused("more_than_was_given"):
        claw(grant, 1, now=NOON + DAY)


def test_what_was_due_counts_even_if_nobody_has_booked_it(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    with refused("more_than_was_given"):
        claw(grant, 1, now=NOON + DAY)


def test_a_voided_grant_can_lose_what_was_spent_of_it_and_no_more(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 30)
    void(grant)
    assert allowed(grant) == 30
    with refused("more_than_was_given"):
        claw(grant, 31)
    assert claw(grant, 30).shortfall_nanos == 30


def test_the_limit_counts_the_family(account: Account) -> None:
    grant = paid(account, 100)
    part = freeze(grant, 30)
    assert (allowed(grant), allowed(part)) == (100, 100)
    assert payers(claw(part, 50, kind=LOST).entry) == [(part.pk, 30), (grant.pk, 20)]
    assert (allowed(grant), allowed(part)) == (50, 50)
    with refused("more_than_was_given"):
        claw(grant, 51)
    claw(grant, 50)
    with refused("more_than_was_given"):
        claw(part, 1)


def test_what_was_undone_can_be_taken_again(account: Account) -> None:
    grant = paid(account, 100)
    first = claw(grant, 100)
    assert allowed(grant) == 0
    unclaw(first.entry)
    assert allowed(grant) == 100
    claw(grant, 100)


def test_what_expired_of_a_compensation_grant_is_not_taken_again(account: Account) -> None:
    """All was spent, the grant ended, the spending was given back as a compensation grant, and that one expired: nothing is left."""
    grant = paid(account, 100, expires_at=NOON + HOUR)
    spent = spend(account, 100)
    reverse(spent, 70, now=NOON + DAY)
    compensation = Grant.objects.get(compensates=grant)
    assert (allowed(grant), allowed(compensation)) == (100, 100)
    assert wallet(account, NOON + 32 * DAY).balance_nanos == 0
    assert kinds(account)[-1] == ("expiry", -70)
    assert (allowed(grant), allowed(compensation)) == (30, 30)
    with refused("more_than_was_given"):
        claw(grant, 31, now=NOON + 32 * DAY)
    assert claw(grant, 30, now=NOON + 32 * DAY).shortfall_nanos == 30


def test_a_compensation_grant_loses_no_more_than_its_family_may(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    reverse(spend(account, 60), now=NOON + DAY)
    compensation = Grant.objects.get(compensates=grant)
    assert kinds(account)[-2:] == [("expiry", -40), ("reversal", 60)]
    part = freeze(compensation, 20, now=NOON + DAY)
    with refused("more_than_was_given"):
        claw(compensation, 61, now=NOON + DAY)
    assert payers(claw(part, 35, now=NOON + DAY).entry) == [(part.pk, 20), (compensation.pk, 15)]
    assert [allowed(one) for one in (grant, compensation, part)] == [25, 25, 25]
    with refused("more_than_was_given"):
        claw(grant, 26, now=NOON + DAY)


def test_what_was_voided_of_a_compensation_grants_own_compensation_counts_and_what_was_undone_does_not(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    reverse(spend(account, 100), now=NOON + DAY)
    first = Grant.objects.get(compensates=grant)
    void(first, now=NOON + DAY)
    assert allowed(grant) == 0
    reverse(LedgerEntry.objects.get(account=account, kind=Kind.GRANT_VOID), 80, now=NOON + DAY)
    second = Grant.objects.get(compensates=first)
    assert (allowed(grant), allowed(second)) == (80, 80)
    void(second, now=NOON + DAY)
    assert (allowed(grant), allowed(second)) == (0, 0)


def test_another_grants_compensation_is_another_family(account: Account) -> None:
    grant, other = paid(account, 100, expires_at=NOON + HOUR), paid(account, 50, expires_at=NOON + 2 * HOUR)
    reverse(spend(account, 150), now=NOON + DAY)
    void(Grant.objects.get(compensates=other), now=NOON + DAY)
    assert (allowed(grant), allowed(other)) == (100, 0)


def test_an_expiry_after_a_claw_back_may_take_what_came_back_meanwhile(account: Account) -> None:
    """100 were given, 60 spent, all 100 clawed back, 60 returned to the grant: they expire there, and no claw-back took too much."""
    grant = paid(account, 100, expires_at=NOON + HOUR)
    other = paid(account, 100)
    spent = spend(account, 60)
    claw(grant, 100)
    reverse(spent)
    assert (left(grant), left(other)) == (60, 40)
    assert wallet(account, NOON + DAY).balance_nanos == 40
    assert allowed(grant) == -60


@pytest.mark.parametrize("nanos", [0, -1])
def test_nothing_is_not_clawed_back(account: Account, nanos: int) -> None:
    grant = paid(account, 100)
    with refused("amount_out_of_range"):
        claw(grant, nanos)


def test_another_accounts_grant_is_not_found(account: Account) -> None:
    grant = paid(factories.make_account(), 100)
    grant.account = account
    with refused("grant_not_found"):
        claw(grant, 1)
    with refused("grant_not_found"):
        allowed(grant)


# Twice


def test_the_same_claw_back_again_returns_the_first(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 90)
    first = claw(grant, 50, key="refund:rf_1")
    before = factories.books_now()
    assert claw(grant, 50, key="refund:rf_1") == first
    assert first.shortfall_nanos == 40
    assert factories.books_now() == before


def test_a_known_key_with_another_content_is_refused(account: Account) -> None:
    grant, other = paid(account, 100), paid(account, 100)
    claw(grant, 50, key="refund:rf_1")
    for again, nanos, kind in ((grant, 51, Kind.REFUND), (other, 50, Kind.REFUND), (grant, 50, LOST)):
        with refused("source_key_reused"):
            claw(again, nanos, kind=kind, key="refund:rf_1")  # type: ignore[arg-type]


def test_a_claw_back_by_an_operator_leaves_an_audit_row_and_one_by_a_payment_none(account: Account) -> None:
    grant = paid(account, 100)
    claw(grant, 50)
    assert AuditRecord.objects.filter(act="claw_back").count() == 0


# Undoing


def test_an_undo_gives_back_exactly_what_was_taken_to_those_it_was_taken_from(account: Account) -> None:
    other = paid(account, 10)
    grant = paid(account, 100, priority=-1)
    spend(account, 95)
    before = {lot.pk: left(lot) for lot in (grant, other)}
    taken = claw(grant, 100)
    undone = unclaw(taken.entry)
    assert (undone.kind, undone.amount_nanos, undone.reverses) == ("reversal", 100, taken.entry and taken.entry.seq)
    assert {lot.pk: left(lot) for lot in (grant, other)} == before
    assert (wallet(account).debt_nanos, wallet(account).balance_nanos) == (0, 15)


def test_a_lost_dispute_that_is_won_after_all_is_undone_as_won(account: Account) -> None:
    grant = paid(account, 100)
    freeze(grant)
    undone = unclaw(claw(grant, 100, kind=LOST).entry)
    assert (undone.kind, undone.book) == ("dispute_won", grant.book)
    assert (left(grant), wallet(account).available_nanos) == (100, 100)


def test_an_undo_into_a_grant_that_has_ended_comes_as_compensation_with_its_share_of_what_was_paid(account: Account) -> None:
    terms = GrantTerms(
        amount_nanos=1_000,
        kind=Kind.PURCHASE,
        book=Book.CLEARING_STRIPE,
        category=Category.PAID,
        source=Source("checkout", "1", "one"),
        priority=4,
        expires_at=NOON + HOUR,
        cost_basis_minor=499,
        cost_basis_currency="EUR",
    )
    grant = issue_grant(account_id=account.pk, terms=terms, now=NOON)
    taken = claw(grant, 300)
    undone = unclaw(taken.entry, now=NOON + DAY, key="failed")
    made = Grant.objects.get(account=account, compensates=grant)
    assert (made.kind, made.category, made.priority, made.amount_nanos) == ("compensation", "paid", 4, 300)
    assert (made.cost_basis_minor, made.cost_basis_currency) == (149, "EUR")
    assert made.expires_at == NOON + 31 * DAY
    assert (made.source_key, left(grant)) == (f"failed:{grant.pk}", 0)
    assert wallet(account, NOON + DAY).balance_nanos == undone.amount_nanos == 300


def test_debt_that_a_grant_has_settled_meanwhile_is_given_back_to_that_grant(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 100)
    taken = claw(grant, 100)
    settler = paid(account, 60, now=NOON + HOUR)
    assert (left(settler), wallet(account, NOON + HOUR).debt_nanos) == (0, 40)
    unclaw(taken.entry, now=NOON + HOUR)
    assert (left(settler), wallet(account, NOON + HOUR).debt_nanos) == (60, 0)


def test_a_part_that_was_written_off_is_not_given_back(account: Account) -> None:
    grant = paid(account, 100)
    spend(account, 100)
    taken = claw(grant, 100)
    write_off(account_id=account.pk, amount_nanos=30, reason="Tests.", actor_id=OPERATOR, source_key="wo", now=NOON)
    assert unclaw(taken.entry).amount_nanos == 70
    assert wallet(account).balance_nanos == 0


def test_the_same_undo_again_returns_the_first_and_a_second_undo_is_refused(account: Account) -> None:
    grant = paid(account, 100)
    taken = claw(grant, 50)
    first = unclaw(taken.entry, key="failed")
    before = factories.books_now()
    assert unclaw(taken.entry, key="failed") == first
    assert factories.books_now() == before
    with refused("more_than_was_taken"):
        unclaw(taken.entry)
    other = claw(grant, 50)
    with refused("source_key_reused"):
        unclaw(other.entry, key="failed")


def test_only_a_claw_back_is_undone_as_one(account: Account) -> None:
    paid(account, 100)
    entry = spend(account, 10)
    for seq in (entry.seq, 99):
        with refused("entry_not_found"):
            undo_claw_back(account_id=account.pk, seq=seq, key="x", now=NOON)


def test_claw_back_and_undo_in_any_order_with_a_release_end_alike(account: Account) -> None:
    """Won after it was lost, the message of the win first released: what remains is what was there."""
    grant = paid(account, 100)
    spend(account, 40)
    part = freeze(grant, 50)
    taken = claw(part, 50, kind=LOST)
    unclaw(taken.entry)
    release(part)
    assert wallet(account).available_nanos == 60


# By source


def by_source(account: Account, nanos: int, *, key: str = "refund:rf_1", kind: Kind = Kind.REFUND) -> list[ClawBack]:
    return agreed(
        claw_back_source(
            account_id=account.pk,
            source_type="checkout",
            source_id="1",
            amount_nanos=nanos,
            key=key,
            kind=kind,  # type: ignore[arg-type]
            now=NOON,
        )
    )


def sold(account: Account, nanos: int, part: str = "paid", **terms: object) -> Grant:
    said = GrantTerms(
        amount_nanos=nanos,
        kind=Kind.PURCHASE,
        book=Book.CLEARING_STRIPE,
        category=Category.PAID,
        source=Source("checkout", "1", f"checkout:1:{part}"),
        **terms,  # type: ignore[arg-type]
    )
    return issue_grant(account_id=account.pk, terms=said, now=NOON)


def taken_of(done: list[ClawBack]) -> dict[int, int]:
    return {one.grant_id: 0 if one.entry is None else -one.entry.amount_nanos for one in done}


def test_a_sources_grants_lose_what_remains_before_what_was_spent(account: Account) -> None:
    first, second = sold(account, 100), sold(account, 50, "bonus")
    paid(account, 1_000)
    spend(account, 90)
    assert taken_of(by_source(account, 40)) == {first.pk: 10, second.pk: 30}
    assert taken_of(by_source(account, 1_000, key="refund:rf_2")) == {second.pk: 20, first.pk: 90}
    assert by_source(account, 1, key="refund:rf_3") == []


def test_a_source_never_loses_more_than_its_grants_may(account: Account) -> None:
    grant = sold(account, 100)
    void(grant)
    before = factories.books_now()
    assert by_source(account, 100) == []
    assert {name: digest for name, digest in factories.books_now().items() if name != "wallet"} == {
        name: digest for name, digest in before.items() if name != "wallet"
    }


def test_the_same_claw_back_of_a_source_again_returns_the_first(account: Account) -> None:
    sold(account, 100), sold(account, 50, "bonus")
    first = by_source(account, 120)
    before = factories.books_now()
    assert by_source(account, 120) == first
    assert factories.books_now() == before
    with refused("source_key_reused"):
        by_source(account, 120, kind=LOST)


def test_a_lost_dispute_takes_the_frozen_part_and_a_refund_leaves_it(account: Account) -> None:
    grant = sold(account, 100)
    part = freeze(grant, 30)
    assert taken_of(by_source(account, 20)) == {grant.pk: 20}
    assert taken_of(by_source(account, 50, key="dispute:dp_1", kind=LOST)) == {part.pk: 30, grant.pk: 20}
    assert wallet(account).frozen_nanos == 0


def test_a_sources_grant_that_is_not_booked_is_voided(account: Account) -> None:
    pending = sold(account, 100, is_pending=True)
    assert by_source(account, 100) == [ClawBack(pending.pk, None, 0)]
    assert by_source(account, 100, key="refund:rf_2") == []
    assert kinds(account) == []


@pytest.mark.parametrize("nanos", [30, 100, 150])
def test_the_same_claw_back_again_takes_nothing_more_where_a_grant_was_voided_instead(account: Account, nanos: int) -> None:
    """The pending grant is voided whole, so nothing is left of it that a repeat could find; nor do other grants pay in its place."""
    pending, given = sold(account, 100, is_pending=True), sold(account, 100, "bonus")
    first = by_source(account, nanos)
    assert taken_of(first) == {pending.pk: 0} | ({given.pk: 50} if nanos == 150 else {})
    before = factories.books_now()
    assert by_source(account, nanos) == first
    sold(account, 40, "late")
    assert by_source(account, nanos) == first
    assert (Grant.objects.get(pk=given.pk).remaining_nanos, before["ledger_entry"]) == (100 - max(0, nanos - 100), before["ledger_entry"])
    assert taken_of(by_source(account, 10, key="refund:rf_2")) == {given.pk: 10}


def test_a_void_instead_of_a_claw_back_keeps_its_key_in_the_audit_trail(account: Account) -> None:
    pending = sold(account, 100, is_pending=True)
    claw(pending, 100, key="refund:rf_1")
    claw(pending, 100, key="refund:rf_1")
    kept = AuditRecord.objects.get()
    assert (kept.act, kept.object_id, kept.actor_id) == ("claw_back", str(pending.pk), None)
    assert (kept.after["key"], kept.after["kind"], kept.after["is_void"]) == ("refund:rf_1", "refund", True)


def test_a_void_instead_of_a_claw_back_does_not_pass_for_one_of_another_kind(account: Account) -> None:
    sold(account, 100, is_pending=True), sold(account, 100, "bonus")
    by_source(account, 100)
    with refused("source_key_reused"):
        by_source(account, 100, kind=LOST)


def test_what_an_operator_voided_before_is_not_taken_for_a_repeat(account: Account) -> None:
    pending, given = sold(account, 100, is_pending=True), sold(account, 100, "bonus")
    void(pending)
    assert taken_of(by_source(account, 60)) == {given.pk: 60}
    assert taken_of(by_source(account, 60)) == {given.pk: 60}


def test_a_source_that_gave_nothing_is_not_found(account: Account) -> None:
    with refused("grant_not_found"):
        by_source(account, 1)
    with refused("amount_out_of_range"):
        by_source(account, 0)


# Proof and speed


@pytest.mark.parametrize(
    "lie",
    [
        "UPDATE ledger_entry SET kind = 'refund' WHERE account_id = %(account)s AND kind = 'manual'",
        "UPDATE credit_grant SET amount_nanos = 70 WHERE account_id = %(account)s",
        "UPDATE ledger_entry SET amount_nanos = -101 WHERE account_id = %(account)s AND kind = 'refund'",
        "UPDATE ledger_entry SET source_id = '0' WHERE account_id = %(account)s AND kind = 'refund'",
    ],
)
def test_a_claw_back_beyond_its_limit_is_found_by_the_proof(account: Account, lie: str) -> None:
    grant = paid(account, 100)
    spend(account, 20)
    claw(grant, 80)
    corrupt(lie, account=account.pk)
    assert [one for one in factories.disagreements() if "claw backs stay within" in one[2]]


def test_a_claw_back_beyond_what_a_compensation_grants_end_left_is_found_by_the_proof(account: Account) -> None:
    grant = paid(account, 100, expires_at=NOON + HOUR)
    reverse(spend(account, 100), 70, now=NOON + DAY)
    wallet(account, NOON + 32 * DAY)
    claw(grant, 30, now=NOON + 32 * DAY)
    corrupt(
        "UPDATE ledger_entry SET amount_nanos = -31 WHERE account_id = %(account)s AND kind = 'refund'",
        account=account.pk,
    )
    assert [one for one in factories.disagreements() if "claw backs stay within" in one[2]]


def test_a_part_that_is_not_booked_as_a_split_is_found_by_the_proof(account: Account) -> None:
    freeze(paid(account, 100), 30)
    corrupt(
        "UPDATE ledger_entry SET kind = 'manual' WHERE account_id = %(account)s AND kind = 'split' AND amount_nanos < 0", account=account.pk
    )
    assert [one for one in factories.disagreements() if "booked once" in one[2]]


def test_the_limit_is_read_without_the_usage(account: Account) -> None:
    grant = paid(account, 100)
    claw(grant, 10)
    with CaptureQueriesContext(connection) as seen:
        assert allowed(grant) == 90
    reads = [query["sql"] for query in seen.captured_queries if "ledger_entry" in query["sql"]]
    assert len(reads) == 2
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        for read in reads:
            cursor.execute(f"EXPLAIN {read}")
            assert "entry_other_than_usage" in str(cursor.fetchall())
