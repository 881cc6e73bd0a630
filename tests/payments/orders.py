"""Orders, attempts, reviews and provider events for tests, made by the services, with the provider's word written by hand: no network."""

import itertools
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from django.db import transaction

from accounts.models import Account
from core import clock
from payments.contract import PaymentSnapshot, PaymentState, ReportedEvent
from payments.models import Order, Outcome, PaymentAttempt, PaymentReview, Provider, ProviderEvent, ReviewReason
from payments.pricing import quote_credits
from payments.services import inbox
from payments.services.ordering import Placement, add_attempt, place_order
from payments.services.settlement import apply_snapshot, move_order
from payments.tariff import tariff
from payments.transitions import EventStatus, OrderStatus
from tests.factories import give

USD: Final = 1_000_000_000
TWENTY_DOLLARS: Final = 20 * USD

_numbers = itertools.count(1)


def order_of(
    account: Account,
    *,
    nanos: int = TWENTY_DOLLARS,
    currency: str = "USD",
    placed_by: int | None = None,
    success_url: str = "",
    now: datetime | None = None,
) -> Order:
    """A pending order of credits, without an attempt."""
    quote = quote_credits(tariff(), credit_nanos=nanos, currency=currency)
    placement = Placement(account_id=account.pk, placed_by=placed_by, quote=quote, provider=Provider.STRIPE, success_url=success_url)
    with transaction.atomic():
        return place_order(placement, now=now or clock.now())


def attempt_of(order: Order, *, is_open: bool = True, now: datetime | None = None) -> PaymentAttempt:
    """One more try to pay it: with a page to pay on, or with the provider's answer still to come."""
    instant = now or order.created_at
    with transaction.atomic():
        attempt = add_attempt(order, Provider.STRIPE, now=instant)
    if is_open:
        apply(attempt, said_of(attempt, PaymentState.OPEN, session_id=f"cs_test_{next(_numbers)}", payment_id=""), now=instant)
    return attempt


def said_of(attempt: PaymentAttempt, state: PaymentState = PaymentState.PAID, **changed: Any) -> PaymentSnapshot:
    """What the provider says of an attempt: all as it should be, but for what is changed."""
    said = PaymentSnapshot(
        state=state,
        order_id=attempt.order.public_id,
        attempt_key=attempt.idempotency_key,
        session_id=attempt.session_id or "",
        payment_id=attempt.payment_id or f"pi_{next(_numbers)}",
        amount_minor=attempt.order.amount_minor,
        currency=attempt.order.currency,
        livemode=attempt.livemode,
    )
    return replace(said, **changed)


def apply(attempt: PaymentAttempt, said: PaymentSnapshot, *, now: datetime | None = None) -> Outcome:
    """Have the provider's word applied; attempt and order are as the database has them then."""
    outcome = apply_snapshot(attempt_id=attempt.pk, said=said, now=now or clock.now())
    attempt.refresh_from_db()
    attempt.order.refresh_from_db()
    return outcome


def paid_order(account: Account, *, nanos: int = TWENTY_DOLLARS, currency: str = "USD", now: datetime | None = None) -> Order:
    """An order paid and credited."""
    order = order_of(account, nanos=nanos, currency=currency, now=now)
    attempt = attempt_of(order, now=now)
    assert apply(attempt, said_of(attempt), now=now) is Outcome.SETTLED
    order.refresh_from_db()
    return order


def declined_order(account: Account, *, now: datetime | None = None) -> Order:
    """An order whose only card was declined, and whose page is still open."""
    order = order_of(account, now=now)
    attempt = attempt_of(order, now=now)
    why: dict[str, Any] = {"failure_code": "insufficient_funds", "failure_reason": "Your card has insufficient funds."}
    apply(attempt, said_of(attempt, PaymentState.OPEN, **why), now=now)
    order.refresh_from_db()
    return order


def closed_order(account: Account, status: OrderStatus = OrderStatus.EXPIRED, *, now: datetime | None = None) -> Order:
    """An order that ended without money, with an attempt that was never paid."""
    order = order_of(account, now=now)
    attempt = attempt_of(order, now=now)
    apply(attempt, said_of(attempt, PaymentState.EXPIRED), now=now)
    order.refresh_from_db()
    move_order(order, status, closed_at=now or clock.now())
    return order


def cancellable_order(account: Account, *, now: datetime | None = None) -> Order:
    """An order that waits, and whose pages are closed: cancelling it needs no provider."""
    order = order_of(account, now=now)
    attempt = attempt_of(order, now=now)
    apply(attempt, said_of(attempt, PaymentState.EXPIRED), now=now)
    return order


def reviewed_order(account: Account, reason: ReviewReason = ReviewReason.WRONG_AMOUNT, *, now: datetime | None = None) -> PaymentReview:
    """Money for an order that did not fit, by any reason that is about an attempt; its open review."""
    if reason is ReviewReason.PAID_TWICE:
        order = order_of(account, now=now)
        first, attempt = attempt_of(order, now=now), attempt_of(order, now=now)
        apply(attempt, said_of(attempt, PaymentState.EXPIRED), now=now)  # Else a job would ask the network to close its page.
        apply(first, said_of(first), now=now)
    else:
        order = closed_order(account, now=now) if reason is ReviewReason.PAID_AFTER_CLOSE else order_of(account, now=now)
        attempt = order.attempts.get() if reason is ReviewReason.PAID_AFTER_CLOSE else attempt_of(order, now=now)
    if reason is ReviewReason.NOT_CREDITABLE:
        give(account, 1, key=f"order:{order.public_id}:paid")  # Whatever the reason why the ledger refuses: here, another grant's key.
    unfit: dict[ReviewReason, dict[str, Any]] = {
        ReviewReason.WRONG_AMOUNT: {"amount_minor": order.amount_minor - 1},
        ReviewReason.WRONG_CURRENCY: {"currency": "EUR"},
        ReviewReason.WRONG_PROVIDER: {"attempt_key": "", "order_id": ""},
        ReviewReason.WRONG_LIVEMODE: {"livemode": not attempt.livemode},
    }
    assert apply(attempt, said_of(attempt, **unfit.get(reason, {})), now=now) is Outcome.REVIEW
    return PaymentReview.objects.get(attempt=attempt, reason=reason)


def reported(event_type: str = "customer.created", object_id: str = "cus_1", **changed: Any) -> ReportedEvent:
    """An event as a gateway hands it over."""
    event_id = f"evt_{next(_numbers)}"
    created_at = changed.get("created_at") or clock.now()
    livemode = changed.get("livemode", False)
    payload = {
        "id": event_id,
        "object": "event",
        "type": event_type,
        "livemode": livemode,
        "data": {"object": {"id": object_id, "client_secret": "seti_1_secret_tests"}},
    }
    event = ReportedEvent(event_id, event_type, object_id, "2026-08-26.dahlia", livemode, created_at, payload)
    return replace(event, **changed)


def received(event: ReportedEvent | None = None, *, source: str = "webhook", now: datetime | None = None, **marks: object) -> ProviderEvent:
    """
    An event in the inbox, waiting. With `marks`, as a worker left it: written by hand, since a worker would have asked the network.

    In a test that commits, the job runs at once, and asks the provider about an event that is due.
    """
    event = event or reported()
    with transaction.atomic():
        inbox.receive(event, provider=Provider.STRIPE, source=source, now=now or clock.now())
        row = ProviderEvent.objects.get(provider=Provider.STRIPE, event_id=event.event_id)
        rows = ProviderEvent.objects.filter(pk=row.pk)
        if marks.get("status", EventStatus.WAITING) != EventStatus.WAITING:
            rows.update(status=EventStatus.CLAIMED, lease="f" * 32, lease_until=clock.now())
            marks = {"lease": "", "lease_until": None} | marks
        rows.update(**marks or {"status": row.status})
    row.refresh_from_db()
    return row


def done_event(
    attempt: PaymentAttempt, outcome: Outcome = Outcome.SETTLED, *, event_type: str = "checkout.session.completed"
) -> ProviderEvent:
    """An event about an attempt that a worker has dealt with."""
    about: dict[str, Any] = {"order": attempt.order, "attempt": attempt}
    event = reported(event_type, attempt.session_id or "")
    return received(event, status=EventStatus.DONE, outcome=outcome, tries=1, done_at=clock.now(), **about)


def failed_event(*, now: datetime | None = None) -> ProviderEvent:
    """An event that was given up."""
    event = reported("checkout.session.completed", "cs_test_unheard_of")
    said = "provider_unavailable: The payment provider does not answer."
    return received(event, now=now, status=EventStatus.FAILED, tries=inbox.TRIES_MAX, last_error=said)


def stuck_event() -> ProviderEvent:
    """An event that waits for longer than it should, between two tries."""
    now = clock.now()
    return received(now=now - inbox.STUCK_AFTER - timedelta(seconds=1), tries=6, next_try_at=now + timedelta(hours=1))


def claimed_event() -> ProviderEvent:
    """An event that a worker has in hand."""
    until = clock.now() + timedelta(minutes=1)
    return received(status=EventStatus.CLAIMED, lease="f" * 32, lease_until=until, next_try_at=until, tries=1)


def unknown_attempt_review() -> PaymentReview:
    """Money that names an attempt which is not in this database, by hand: a worker would have asked the network about it."""
    event = received(reported("payment_intent.succeeded", "pi_lost"), status=EventStatus.DONE, outcome=Outcome.REVIEW, done_at=clock.now())
    said = {"state": "paid", "order_id": "ord_lost", "attempt_key": "attempt:lost", "session_id": "", "payment_id": "pi_lost"}
    found = {"said": said | {"amount_minor": 500, "currency": "USD", "livemode": False}}
    return PaymentReview.objects.create(event=event, reason=ReviewReason.UNKNOWN_ATTEMPT, found=found, opened_at=clock.now())


def other_mode_review() -> PaymentReview:
    """A live event that came to a test deployment, and the review it opened."""
    with transaction.atomic():
        event = received(reported(livemode=True))
        inbox.process_event(event_pk=event.pk, now=clock.now())
    return PaymentReview.objects.get(event=event)
