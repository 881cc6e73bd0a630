"""Limits by many at once: never passed by holds, set once, and counted to the nano beside batches, refunds and removals."""

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Final

import pytest

from accounts.models import Account
from accounts.services.api_keys import issue_api_key
from core import clock, ids
from core.models import AuditRecord
from credits.errors import SpendingLimitReached
from credits.models import Hold, LedgerEntry, LimitNotice, SpendingLimit, Wallet
from credits.services.holds import HoldTerms, open_hold, void_hold
from credits.services.limits import Duration, LimitTerms, Strategy, forget_old_buckets, read_limit, remove_limit, set_limit
from tests import factories
from tests.concurrency.test_spending import assert_nothing_failed, assert_silent
from tests.spending import price, refund, report
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db(transaction=True)

USD: Final = 1_000_000_000


def make_customer() -> Account:
    account = factories.make_account()
    factories.give(account, 10_000 * USD)
    return account


def limit(account: Account, dollars: int, strategy: Strategy = Strategy.SLIDING, api_key_id: int | None = None) -> None:
    terms = LimitTerms(dollars * USD, Duration.MONTHLY, strategy, api_key_id)
    set_limit(account_id=account.pk, terms=terms, actor_id=None, reason="Tests.", now=clock.now())


def hold(account: Account, dollars: int, api_key_id: int | None = None) -> str:
    lasts = timedelta(hours=1)
    made, *_ = open_hold(account_id=account.pk, terms=HoldTerms(dollars * USD, lasts, api_key_id=api_key_id), now=clock.now())
    return made.public_id


def used(account: Account) -> int:
    view = read_limit(account_id=account.pk, api_key_id=None, now=clock.now())
    assert view is not None
    return view.used_nanos // USD


def test_fifty_holds_at_once_never_pass_a_limit() -> None:
    account = make_customer()
    limit(account, 17)

    outcomes = at_once(*[partial(hold, account, 1)] * 50)

    assert len(successes(outcomes)) == 17
    assert {type(error) for error in failures(outcomes)} == {SpendingLimitReached}
    assert (used(account), Hold.objects.count()) == (17, 17)
    assert list(LimitNotice.objects.order_by("percent").values_list("percent", flat=True)) == [50, 75, 100]
    assert_silent()


def test_two_who_set_a_limit_at_once_make_one() -> None:
    account = make_customer()

    outcomes = at_once(*[partial(limit, account, dollars) for dollars in (5, 7)] * 4)

    assert_nothing_failed(list(outcomes))
    kept = SpendingLimit.objects.get()
    assert kept.amount_nanos in {5 * USD, 7 * USD}
    acts = list(AuditRecord.objects.filter(act="set_limit").order_by("id"))
    assert [act.before for act in acts] == [{}, *(act.after for act in acts[:-1])]
    assert_silent()


def test_a_limit_set_beside_holds_and_refunds_counts_each_once() -> None:
    price()
    account = make_customer()
    owner = account.personal_of_id or 0
    key = issue_api_key(account_id=account.pk, name="k", scopes=["usage:read"], actor_id=owner, now=clock.now()).key
    opened = [hold(account, 2, key.pk) for _ in range(6)]
    for number in range(6):
        report(account, f"before-{number}", input_tokens=400_000, api_key=key.public_id)
    seqs = list(LedgerEntry.objects.filter(account=account, kind="usage").values_list("seq", flat=True))
    acts: list[Callable[[], object]] = [partial(limit, account, 1_000, Strategy.FIXED, owner) for owner in (None, key.pk)]
    acts += [partial(limit, account, 900, Strategy.SLIDING, owner) for owner in (None, key.pk)]
    acts += [partial(capture, account, name) for name in opened[:3]]
    acts += [partial(void, account, name) for name in opened[3:]]
    acts += [partial(give_back, account, seq) for seq in seqs]
    acts += [partial(forget_old_buckets, now=clock.now())]

    outcomes = at_once(*acts)

    assert_nothing_failed(list(outcomes))
    # Six calls of a dollar, half of each given back; three captures of three dollars.
    assert used(account) == 3 + 9
    assert_silent()


def test_a_limit_removed_and_made_again_beside_spending_leaves_a_true_flag() -> None:
    price()
    account = make_customer()
    limit(account, 100)
    take_away = partial(remove_limit, account_id=account.pk, api_key_id=None, actor_id=None, reason="Tests.", now=clock.now())

    outcomes = at_once(take_away, *[partial(hold, account, 1)] * 6, *[partial(limit, account, 100)] * 2, take_away)

    assert_nothing_failed(list(outcomes))
    assert Wallet.objects.get(pk=account.pk).has_limits == SpendingLimit.objects.exists()
    limit(account, 100)
    assert used(account) == 6
    assert_silent()


def capture(account: Account, name: str) -> None:
    report(account, ids.new_public_id(), input_tokens=1_200_000, hold=name)


def void(account: Account, name: str) -> None:
    void_hold(account_id=account.pk, public_id=name, now=clock.now())


def give_back(account: Account, seq: int) -> None:
    event_id = LedgerEntry.objects.get(account=account, seq=seq).source_id
    refund(account, event_id, USD // 2, key=f"back:{seq}")
