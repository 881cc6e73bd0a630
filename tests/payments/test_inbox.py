"""The inbox: each event is worked on by one worker at a time, again and again until it is done, and then never again."""

import json
import logging
from datetime import datetime, timedelta
from typing import Final

import pytest
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.models import Account
from core import clock
from core.errors import NotFound
from core.models import AuditRecord
from payments.errors import EventBusy
from payments.models import Outcome, PaymentReview, ProviderEvent
from payments.services.checkout import CheckoutLink
from payments.services.inbox import (
    STUCK_AFTER,
    TRIES_MAX,
    count_stuck_events,
    forget_payloads,
    process_event,
    reprocess_event,
    sweep_events,
)
from payments.services.ordering import lease_time
from payments.transitions import EventStatus, OrderStatus
from sandbox import ApiFault
from tests import factories
from tests.payments.api.purchases import everything_now, nothing_moves
from tests.payments.world import Json, Shop, assert_credited_once, assert_nothing_credited, ledger_now, post_event

pytestmark = pytest.mark.django_db

INTENTS: Final = "/v1/payment_intents/*"
REFUSED: Final = ApiFault(path=INTENTS, status=400)
INSTANT: Final = timedelta(microseconds=1)
OPERATOR: Final = 1


@pytest.fixture
def account(db: None) -> Account:
    return factories.make_account()


@pytest.fixture
def link(shop: Shop, account: Account) -> CheckoutLink:
    """A page that somebody paid; nobody told us."""
    link = shop.open(account)
    shop.pay(link)
    return link


@pytest.fixture
def event(shop: Shop, link: CheckoutLink) -> ProviderEvent:
    """Its event, stored; the job that its arrival asks for is lost."""
    return stored(shop.event("payment_intent.succeeded"))


def stored(told: Json) -> ProviderEvent:
    assert post_event(json.dumps(told).encode()).status_code == 200
    return ProviderEvent.objects.get(event_id=told["id"])


def reprocess(event: ProviderEvent, *, now_after: timedelta = timedelta()) -> ProviderEvent:
    return reprocess_event(event_pk=event.pk, actor_id=OPERATOR, reason="The provider is up again.", now=clock.now() + now_after)


def test_a_claimed_event_is_left_alone_until_its_lease_ends(event: ProviderEvent, link: CheckoutLink, account: Account) -> None:
    now = clock.now()
    claim(event, until=now)
    with nothing_moves():
        assert process_event(event_pk=event.pk, now=now - INSTANT) is None
    assert process_event(event_pk=event.pk, now=now) == Outcome.SETTLED
    assert_credited_once(link, account)


def claim(event: ProviderEvent, *, until: datetime) -> None:
    """What a worker leaves that was killed in the middle."""
    ProviderEvent.objects.filter(pk=event.pk).update(
        status=EventStatus.CLAIMED, lease="f" * 32, lease_until=until, next_try_at=until, tries=1
    )


def test_an_event_that_cannot_be_worked_on_is_tried_again_less_and_less_often_and_then_given_up(
    shop: Shop, event: ProviderEvent, link: CheckoutLink, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    shop.stripe.api_fault(REFUSED)
    now, waits = clock.now(), []
    for _ in range(TRIES_MAX):
        assert process_event(event_pk=event.pk, now=now) is None
        event.refresh_from_db()
        waits.append(event.next_try_at - now)
        assert event.last_error.startswith("provider_refused: ")
        assert process_event(event_pk=event.pk, now=event.next_try_at - INSTANT) is None
        now = event.next_try_at
    assert (event.status, event.tries) == (EventStatus.FAILED, TRIES_MAX)
    assert waits == sorted(waits)
    assert (waits[0], waits[-1]) == (timedelta(seconds=20), timedelta(hours=6))
    assert "ERROR" in [record.levelname for record in caplog.records]

    shop.stripe.clear_faults()
    with nothing_moves():
        assert process_event(event_pk=event.pk, now=now + timedelta(days=365)) is None
        assert sweep_events(now=now + timedelta(days=365)) == 0
    assert count_stuck_events(now=now) == 1
    assert_nothing_credited(account)

    reprocess(event)
    assert process_event(event_pk=event.pk, now=clock.now()) == Outcome.SETTLED
    assert count_stuck_events(now=now) == 0
    assert_credited_once(link, account)


def test_who_had_an_event_processed_again_stands_in_the_audit_trail(shop: Shop, event: ProviderEvent, account: Account) -> None:
    shop.stripe.api_fault(REFUSED)
    process_event(event_pk=event.pk, now=clock.now())
    reprocess(event)
    act = AuditRecord.objects.get(act="reprocess_provider_event")
    assert (act.actor_id, act.object_id, act.reason) == (OPERATOR, str(event.pk), "The provider is up again.")
    assert (act.before["tries"], act.after["tries"]) == (1, 0)


def test_an_event_that_was_done_changes_nothing_when_it_is_processed_again(
    event: ProviderEvent, link: CheckoutLink, account: Account
) -> None:
    process_event(event_pk=event.pk, now=clock.now())
    books = ledger_now()
    reprocess(event)
    assert process_event(event_pk=event.pk, now=clock.now()) == Outcome.NOTHING
    assert ledger_now() == books
    assert_credited_once(link, account)


def test_an_event_in_a_workers_hands_is_not_taken_away_by_an_operator(event: ProviderEvent) -> None:
    now = clock.now()
    claim(event, until=now + lease_time())
    with nothing_moves(), pytest.raises(EventBusy):
        reprocess(event)
    assert not AuditRecord.objects.filter(act="reprocess_provider_event").exists()
    assert reprocess(event, now_after=lease_time() * 2).status == EventStatus.WAITING


def test_an_event_that_does_not_exist_is_not_found(db: None) -> None:
    with pytest.raises(NotFound):
        reprocess_event(event_pk=1, actor_id=None, reason="None.", now=clock.now())


def test_the_sweep_takes_what_was_left_behind_and_leaves_what_is_fresh(
    shop: Shop,
    event: ProviderEvent,
    link: CheckoutLink,
    account: Account,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    received = event.received_at
    assert sweep_events(now=received + timedelta(seconds=20) - INSTANT) == 0
    with django_capture_on_commit_callbacks(execute=True):
        assert sweep_events(now=received + timedelta(seconds=20)) == 1
    assert_credited_once(link, account)
    assert sweep_events(now=received + timedelta(days=1)) == 0


def test_the_sweep_takes_a_dead_lease_and_a_try_that_is_due(shop: Shop, event: ProviderEvent) -> None:
    now = clock.now()
    claim(event, until=now)
    assert (sweep_events(now=now - INSTANT), sweep_events(now=now)) == (0, 1)
    shop.stripe.api_fault(REFUSED)
    process_event(event_pk=event.pk, now=now)
    event.refresh_from_db()
    assert (sweep_events(now=event.next_try_at - INSTANT), sweep_events(now=event.next_try_at)) == (0, 1)


def test_events_that_wait_for_a_quarter_of_an_hour_are_an_alarm(event: ProviderEvent, caplog: pytest.LogCaptureFixture) -> None:
    now = event.received_at + STUCK_AFTER
    assert (count_stuck_events(now=now - INSTANT), count_stuck_events(now=now)) == (0, 1)
    sweep_events(now=now)
    assert [record.levelname for record in caplog.records if "wait for more than 15 minutes" in record.message] == ["ERROR"]


def test_an_event_of_a_type_we_do_not_know_is_kept_and_nobody_is_asked(settings: Settings, shop: Shop, account: Account) -> None:
    link = shop.open(account)
    asked = len(shop.stripe.exchanges)
    unknown = {"id": "evt_new", "type": "wallet.opened", "created": 1, "livemode": False, "data": {"object": {"id": link.session_id}}}
    books = ledger_now()
    assert shop.hear(unknown) == Outcome.NOTHING
    row = ProviderEvent.objects.get(event_id="evt_new")
    assert (row.status, row.order, row.object_id, row.api_version) == (EventStatus.DONE, None, link.session_id, "")
    assert len(shop.stripe.exchanges) == asked
    assert ledger_now() == books


def test_an_event_about_nothing_is_kept(shop: Shop) -> None:
    assert (
        shop.hear({"id": "evt_none", "type": "balance.available", "created": 1, "livemode": False, "data": {"object": {}}})
        == Outcome.NOTHING
    )


@pytest.mark.parametrize("event_type", ["payment_intent.succeeded", "customer.created"])
def test_an_event_of_the_other_mode_is_looked_at_and_nobody_is_asked(
    shop: Shop, link: CheckoutLink, account: Account, event_type: str, caplog: pytest.LogCaptureFixture
) -> None:
    told = shop.event("payment_intent.succeeded") | {"livemode": True, "type": event_type}
    asked = len(shop.stripe.exchanges)
    assert shop.hear(told) == Outcome.REVIEW
    review = PaymentReview.objects.get()
    assert (review.reason, review.order, review.attempt, review.event.event_id) == ("wrong_livemode", None, None, told["id"])  # type: ignore[union-attr]
    assert len(shop.stripe.exchanges) == asked
    assert shop.order(link).status == OrderStatus.PENDING
    assert "or the reverse" in caplog.text
    reprocess(ProviderEvent.objects.get())
    assert shop.hear(told) == Outcome.REVIEW
    assert PaymentReview.objects.count() == 1
    assert_nothing_credited(account)


def test_an_event_of_another_api_version_is_worked_on_and_said(
    shop: Shop, link: CheckoutLink, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    assert shop.hear(shop.event("payment_intent.succeeded") | {"api_version": "2020-08-27"}) == Outcome.SETTLED
    assert "has API version 2020-08-27, not ours" in caplog.text
    assert_credited_once(link, account)


def test_no_client_secret_is_kept(shop: Shop, link: CheckoutLink) -> None:
    told = shop.event("payment_intent.succeeded")
    secret = told["data"]["object"]["client_secret"]
    assert secret
    told["data"]["previous_attributes"] = {"deep": [{"client_secret": secret, "kept": 1}]}
    shop.hear(told)
    payload: Json = ProviderEvent.objects.get().payload  # type: ignore[assignment]  # it was stored just now
    assert secret not in str(payload)
    assert payload["data"]["previous_attributes"] == {"deep": [{"kept": 1}]}
    assert payload["data"]["object"]["amount"] == 2_000


def test_characters_that_the_database_cannot_keep_do_not_keep_an_event_out(shop: Shop, link: CheckoutLink, account: Account) -> None:
    told = shop.event("payment_intent.succeeded")
    told["data"]["object"] |= {"description": "a\x00b\ud800c", "a\x00name": ["\udfff"]}
    assert shop.hear(told) == Outcome.SETTLED
    kept: Json = ProviderEvent.objects.get().payload  # type: ignore[assignment]  # it was stored just now
    assert kept["data"]["object"]["description"] == "ab?c"
    assert_credited_once(link, account)


def test_an_event_that_ends_its_workers_is_given_up_in_the_end(event: ProviderEvent, account: Account) -> None:
    now = clock.now()
    claim(event, until=now)
    ProviderEvent.objects.update(tries=TRIES_MAX)
    assert process_event(event_pk=event.pk, now=now) is None
    event.refresh_from_db()
    assert (event.status, count_stuck_events(now=now)) == (EventStatus.FAILED, 1)
    assert_nothing_credited(account)


def test_payloads_are_forgotten_after_their_time_and_a_replay_is_still_a_duplicate(
    settings: Settings, shop: Shop, link: CheckoutLink, account: Account
) -> None:
    settings.PROVIDER_PAYLOAD_DAYS = 3
    told = shop.event("payment_intent.succeeded")
    shop.hear(told)
    row = ProviderEvent.objects.get()
    end = row.received_at + timedelta(days=3)
    assert (forget_payloads(now=end - INSTANT), forget_payloads(now=end), forget_payloads(now=end)) == (0, 1, 0)
    row.refresh_from_db()
    assert (row.payload, row.status, row.event_id) == (None, EventStatus.DONE, told["id"])
    before = everything_now()
    assert shop.hear(told) is None
    assert everything_now() == before
    assert_credited_once(link, account)


def test_a_payload_that_is_still_needed_is_not_forgotten(event: ProviderEvent) -> None:
    assert forget_payloads(now=clock.now() + timedelta(days=1_000)) == 0


def test_of_an_error_that_nobody_foresaw_only_the_name_is_kept(
    shop: Shop, event: ProviderEvent, link: CheckoutLink, account: Account, caplog: pytest.LogCaptureFixture
) -> None:
    shop.stripe.tamper(event.object_id, currency=None)
    assert process_event(event_pk=event.pk, now=clock.now()) is None
    event.refresh_from_db()
    assert (event.status, event.last_error) == (EventStatus.WAITING, "AttributeError")
    assert [record.levelno for record in caplog.records if "failed at try" in record.message] == [logging.WARNING]
    assert_nothing_credited(account)
    shop.stripe.tamper(event.object_id, currency="usd")
    assert process_event(event_pk=event.pk, now=event.next_try_at) == Outcome.SETTLED
    event.refresh_from_db()
    assert event.last_error == ""
    assert_credited_once(link, account)
