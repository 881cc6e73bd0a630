"""Acts on grants that meet: each happens once, whoever comes first, and the books agree after every meeting."""

from functools import partial

import pytest

from accounts.models import Account
from core import clock
from core.errors import Conflict
from core.models import AuditRecord
from credits.models import Grant, Kind, LedgerEntry, Wallet
from credits.services.adjustments import adjust_balance, write_off
from credits.services.clawbacks import claw_back, claw_back_source, undo_claw_back
from credits.services.grants import freeze_grant, release_grant, settle_grant, void_grant
from credits.services.recurring import issue_due_periods
from credits.services.reversals import reverse_entry
from credits.services.wallets import read_wallet
from tests import factories
from tests.concurrency.test_spending import ONE_NANO, assert_exact, assert_nothing_failed, assert_silent, call, report
from tests.credits.grant_acts import DAY, HOUR, SECOND, paid
from tests.credits.test_lifecycle import pending
from tests.credits.test_recurring import MONTHLY
from tests.spending import adjust, price
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def account(transactional_db: None) -> Account:
    return factories.make_account()


def entries(account: Account, kind: str) -> list[int]:
    return list(LedgerEntry.objects.filter(account=account, kind=kind).order_by("seq").values_list("amount_nanos", flat=True))


def test_twenty_voids_at_once_void_once(account: Account) -> None:
    grant = paid(account, 100, now=clock.now())
    act = partial(void_grant, account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=1, now=clock.now())
    outcomes = at_once(*[act] * 20)
    assert_nothing_failed(list(outcomes))
    assert entries(account, "grant_void") == [-100]
    assert AuditRecord.objects.filter(act="void_grant").count() == 1
    assert_exact(account, 0)


def test_twenty_freezes_at_once_freeze_once(account: Account) -> None:
    grant = paid(account, 100, now=clock.now())
    act = partial(freeze_grant, account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=1, now=clock.now())
    outcomes = at_once(*[act] * 20)
    assert len(successes(outcomes)) == 1
    assert {error.stable_code for error in failures(outcomes) if isinstance(error, Conflict)} == {"grant_not_live"}
    assert_exact(account, 100)
    assert Wallet.objects.get(pk=account.pk).frozen_nanos == 100


def test_one_part_frozen_by_sixteen_at_once_is_split_off_once(account: Account) -> None:
    grant = paid(account, 100, now=clock.now())
    act = partial(
        freeze_grant,
        account_id=account.pk,
        grant_id=grant.pk,
        reason="Tests.",
        actor_id=1,
        now=clock.now(),
        amount_nanos=30,
        part="dp_1",
    )
    outcomes = at_once(*[act] * 16)
    assert_nothing_failed(list(outcomes))
    assert len({part.pk for part in successes(outcomes)}) == 1
    assert entries(account, "split") == [-30, 30]
    assert_exact(account, 100)


def test_parts_frozen_by_ten_disputes_at_once_are_ten_parts(account: Account) -> None:
    grant = paid(account, 105, now=clock.now())

    def dispute(number: int) -> Grant:
        return freeze_grant(
            account_id=account.pk,
            grant_id=grant.pk,
            reason=f"Dispute {number}.",
            actor_id=None,
            now=clock.now(),
            amount_nanos=10,
        )

    outcomes = at_once(*(partial(dispute, number) for number in range(10)))
    assert_nothing_failed(list(outcomes))
    assert Grant.objects.filter(root=grant, is_frozen=True, remaining_nanos=10).count() == 10
    assert_exact(account, 105)


def test_a_freeze_beside_the_expiry_has_one_winner(account: Account) -> None:
    """Either it is frozen in time and stays, or it has expired and is not frozen; the same act is asked for at instants around the end."""
    outcomes: list[object] = []
    begin = clock.now()
    for number in range(8):
        now = begin + number * HOUR
        grant = factories.give(account, 10, key=f"grant-{number}", now=now - DAY, expires_at=now)
        around = [now + HOUR / 6 + (which - 4) * SECOND for which in range(8)]
        acts = [partial(freeze_grant, account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=1, now=at) for at in around]
        reads = [partial(read_wallet, account_id=account.pk, now=at) for at in around]
        outcomes += at_once(*acts, *reads)
        grant.refresh_from_db()
        assert grant.is_frozen is not (grant.expired_at is not None)
        assert grant.remaining_nanos == (10 if grant.is_frozen else 0)
    assert {getattr(error, "stable_code", error) for error in outcomes if isinstance(error, Exception)} <= {"grant_not_live"}
    frozen = Wallet.objects.get(pk=account.pk).frozen_nanos
    assert_exact(account, frozen)
    assert_silent()


def test_one_claw_back_asked_for_by_sixteen_at_once_is_booked_once(account: Account) -> None:
    grant = paid(account, 100, now=clock.now())
    adjust(account, -70)
    act = partial(
        claw_back,
        account_id=account.pk,
        grant_id=grant.pk,
        amount_nanos=100,
        key=f"refund:rf_1:{grant.pk}",
        kind=Kind.REFUND,
        now=clock.now(),
    )
    outcomes = at_once(*[act] * 16)
    assert_nothing_failed(list(outcomes))
    assert {done.shortfall_nanos for done in successes(outcomes)} == {70}
    assert_exact(account, -70)


def test_refunds_of_one_grant_at_once_never_take_more_than_was_given(account: Account) -> None:
    grant = paid(account, 100, now=clock.now())
    adjust(account, -70)

    def refund(number: int) -> object:
        return claw_back(
            account_id=account.pk,
            grant_id=grant.pk,
            amount_nanos=9,
            key=f"refund:{number}",
            kind=Kind.REFUND,
            now=clock.now(),
        )

    outcomes = at_once(*(partial(refund, number) for number in range(16)))
    assert len(successes(outcomes)) == 11
    assert {getattr(error, "stable_code", error) for error in failures(outcomes)} == {"more_than_was_given"}
    assert_exact(account, 100 - 70 - 99)


def test_refunds_of_one_source_at_once_take_together_what_it_gave_and_no_more(account: Account) -> None:
    grant = pending(account, 100)
    settle_grant(account_id=account.pk, source_key=grant.source_key, now=clock.now())

    def refund(number: int) -> object:
        return claw_back_source(
            account_id=account.pk,
            source_type="checkout",
            source_id="1",
            amount_nanos=30,
            key=f"refund:{number % 8}",
            kind=Kind.REFUND,
            now=clock.now(),
        )

    assert_nothing_failed(list(at_once(*(partial(refund, number) for number in range(16)))))
    assert sorted(entries(account, "refund")) == [-30, -30, -30, -10]
    assert_exact(account, 0)


def test_claw_backs_and_their_undoing_beside_spending_add_up(account: Account) -> None:
    price("nano", ONE_NANO)
    grant = paid(account, 1_000, now=clock.now())

    def take(number: int) -> None:
        for turn in range(5):
            done = claw_back(
                account_id=account.pk,
                grant_id=grant.pk,
                amount_nanos=40,
                key=f"refund:{number}:{turn}",
                kind=Kind.REFUND,
                now=clock.now(),
            )
            assert done.entry is not None
            undo_claw_back(account_id=account.pk, seq=done.entry.seq, key=f"failed:{number}:{turn}", now=clock.now())

    def use(number: int) -> None:
        for turn in range(5):
            report([call(account, f"{number}-{turn}-{which}", 3) for which in range(20)])

    assert_nothing_failed(list(at_once(*(partial(take, number) for number in range(4)), *(partial(use, number) for number in range(4)))))
    assert_exact(account, 1_000 - 4 * 5 * 20 * 3)
    assert_silent()


def test_a_void_beside_spending_takes_exactly_what_was_not_spent(account: Account) -> None:
    price("nano", ONE_NANO)
    grant = paid(account, 300, now=clock.now())

    def use(number: int) -> object:
        return report([call(account, f"{number}-{which}", 10) for which in range(5)])

    act = partial(void_grant, account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=1, now=clock.now())
    outcomes = at_once(*(partial(use, number) for number in range(5)), act)
    assert_nothing_failed(list(outcomes))
    (voided,) = entries(account, "grant_void")
    assert_exact(account, 300 - 250 + voided)
    assert_silent()


def test_freezes_and_releases_beside_spending_lose_nothing(account: Account) -> None:
    price("nano", ONE_NANO)
    grants = [paid(account, 100, now=clock.now()) for _ in range(3)]

    def dispute(grant: Grant) -> None:
        for _ in range(6):
            freeze_grant(account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=None, now=clock.now())
            release_grant(account_id=account.pk, grant_id=grant.pk, reason="Tests.", actor_id=None, now=clock.now())

    def use(number: int) -> None:
        for turn in range(6):
            report([call(account, f"{number}-{turn}", 20)])

    outcomes = at_once(*(partial(dispute, grant) for grant in grants), *(partial(use, number) for number in range(3)))
    assert_nothing_failed(list(outcomes))
    assert Wallet.objects.get(pk=account.pk).debt_nanos == 3 * 6 * 20 - 300
    assert_exact(account, 300 - 3 * 6 * 20)
    assert_silent()


def test_reversals_of_one_entry_at_once_never_give_back_more_than_it_took(account: Account) -> None:
    paid(account, 60, now=clock.now())
    spent = adjust(account, -100)

    def back(number: int) -> LedgerEntry:
        return reverse_entry(
            account_id=account.pk,
            seq=spent.seq,
            amount_nanos=9 if number % 2 else None,
            reason="Tests.",
            actor_id=1,
            source_key=f"back-{number}",
            now=clock.now(),
        )

    outcomes = at_once(*(partial(back, number) for number in range(16)))
    assert {getattr(error, "stable_code", error) for error in failures(outcomes)} == {"more_than_was_taken"}
    assert sum(entry.amount_nanos for entry in successes(outcomes)) == 100
    assert_exact(account, 60)


def test_write_offs_and_settlements_of_one_debt_at_once_cover_it_once(account: Account) -> None:
    adjust(account, -100)

    def forgive(number: int) -> LedgerEntry:
        return write_off(account_id=account.pk, amount_nanos=10, reason="Tests.", actor_id=1, source_key=f"wo-{number}", now=clock.now())

    def top_up(number: int) -> LedgerEntry:
        return adjust_balance(
            account_id=account.pk, amount_nanos=10, reason="Tests.", actor_id=1, source_key=f"up-{number}", now=clock.now()
        )

    outcomes = at_once(*(partial(forgive, number) for number in range(8)), *(partial(top_up, number) for number in range(8)))
    assert {getattr(error, "stable_code", error) for error in failures(outcomes)} <= {"more_than_the_debt"}
    assert_exact(account, -100 + 10 * len(successes(outcomes)))


def test_a_pending_grant_settled_by_sixteen_at_once_is_booked_once(account: Account) -> None:
    grant = pending(account, 100)
    outcomes = at_once(*[partial(settle_grant, account_id=account.pk, source_key=grant.source_key, now=clock.now())] * 16)
    assert_nothing_failed(list(outcomes))
    assert_exact(account, 100)


def test_a_series_issued_by_eight_at_once_issues_each_period_once(account: Account) -> None:
    outcomes = at_once(*[partial(issue_due_periods, account_id=account.pk, series=MONTHLY, now=clock.now(), most=20)] * 8)
    assert_nothing_failed(list(outcomes))
    keys = [grant.source_key for issued in successes(outcomes) for grant in issued]
    assert len(keys) == len(set(keys)) == Grant.objects.filter(account=account).count()
    assert keys
    assert issue_due_periods(account_id=account.pk, series=MONTHLY, now=clock.now()) == []
    assert factories.disagreements() == []
