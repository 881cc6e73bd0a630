"""Two workers and one event: whoever holds the lease works, and who has lost it writes nothing. Real threads, real connections."""

from datetime import timedelta
from typing import Final

import pytest

from accounts.models import Account
from core import clock
from payments.models import Outcome, Provider, ProviderEvent
from payments.services.checkout import CheckoutLink
from payments.services.inbox import process_event, receive
from payments.services.ordering import lease_time
from payments.transitions import EventStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.api.purchases import everything_now
from tests.payments.orders import reported
from tests.payments.world import Shop, assert_credited_once, wait_until
from tests.threads import at_once

pytestmark = pytest.mark.django_db(transaction=True)

INTENTS: Final = "/v1/payment_intents/*"
WORKERS: Final = 8


@pytest.fixture
def account(transactional_db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    link = shop.open(account)
    shop.pay(link)
    return link


@pytest.fixture
def event(shop: Shop, link: CheckoutLink) -> ProviderEvent:
    """An event that waits for a worker: the one that was asked for when it came met a provider that refused."""
    told = shop.event("payment_intent.succeeded")
    shop.stripe.api_fault(ApiFault(path=INTENTS, status=400))
    shop.hear(told)
    shop.stripe.clear_faults()
    return ProviderEvent.objects.get()


def times_asked(shop: Shop, event: ProviderEvent) -> int:
    return sum(each.path.endswith(event.object_id) and each.status == 200 for each in shop.stripe.exchanges)


def test_of_many_workers_at_once_one_works(shop: Shop, event: ProviderEvent, link: CheckoutLink, account: Account) -> None:
    now = event.next_try_at
    said = at_once(*[lambda: process_event(event_pk=event.pk, now=now)] * WORKERS)
    assert sorted(str(each) for each in said) == sorted(["settled", *["None"] * (WORKERS - 1)])
    assert times_asked(shop, event) == 1
    assert_credited_once(link, account)


def test_an_event_that_comes_many_times_at_once_is_stored_once(shop: Shop, link: CheckoutLink, account: Account) -> None:
    told = shop.event("payment_intent.succeeded")
    event = reported(told["type"], told["data"]["object"]["id"])
    said = at_once(*[lambda: receive(event, provider=Provider.STRIPE, source="webhook", now=clock.now())] * WORKERS)
    assert (said.count(True), said.count(False)) == (1, WORKERS - 1)
    assert ProviderEvent.objects.count() == 1
    assert_credited_once(link, account)


@pytest.mark.parametrize("status", [None, 400])
def test_a_worker_that_lost_its_lease_writes_nothing(
    shop: Shop, event: ProviderEvent, link: CheckoutLink, account: Account, status: int | None
) -> None:
    """
    The first one waits for a slow provider until its lease is dead; the second takes over and is done before the first hears, be it
    the answer or (400) a refusal.
    """
    shop.stripe.api_fault(ApiFault(path=INTENTS, times=1, delay_before=1, status=status))
    now = event.next_try_at

    def first() -> Outcome | None:
        return process_event(event_pk=event.pk, now=now)

    def second() -> Outcome | None:
        wait_until(lambda: not shop.stripe.faults.shown()["api"])
        assert ProviderEvent.objects.get().status == EventStatus.CLAIMED
        assert process_event(event_pk=event.pk, now=now + lease_time() - timedelta(microseconds=1)) is None
        said = process_event(event_pk=event.pk, now=now + lease_time())
        after_second.update(everything_now())
        return said

    after_second: dict[str, str] = {}
    assert at_once(first, second) == [None, Outcome.SETTLED]
    assert everything_now() == after_second
    row = ProviderEvent.objects.get()
    assert (row.status, row.outcome, row.done_at, row.last_error) == (EventStatus.DONE, Outcome.SETTLED, now + lease_time(), "")
    assert_credited_once(link, account)
