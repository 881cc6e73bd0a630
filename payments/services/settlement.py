"""
Applying what a provider says of a payment, once: under the locks of order and attempt, in one transaction with the credit.

Whoever hears of a payment (webhook, the provider's list, a check of ours, a cancellation) comes through here. Source: docs/adr/0016.
"""

import logging
from dataclasses import asdict
from datetime import datetime

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from core.errors import BillingError
from core.jobs import enqueue
from core.locks import lock_one
from payments.contract import PaymentSnapshot, PaymentState
from payments.fulfilment import deliver_order
from payments.judging import NOT_ITS_MONEY, Act, AttemptFacts, OrderFacts, Verdict, judge
from payments.models import Order, Outcome, PaymentAttempt, PaymentReview, ReviewReason
from payments.transitions import LIVE_ATTEMPTS, ORDER_MOVES, AttemptStatus, OrderStatus, may_move

logger = logging.getLogger(__name__)


def apply_snapshot(*, attempt_id: int, said: PaymentSnapshot, now: datetime) -> Outcome:
    """
    Do what follows from a snapshot: settle and deliver, open a review, move, or nothing. Twice is once.

    Raises PaymentAttempt.DoesNotExist. Takes the locks order → attempt → (by what is delivered) wallet; a transaction of its own
    where none is open.
    """
    order_id = PaymentAttempt.objects.values_list("order_id", flat=True).get(pk=attempt_id)
    with transaction.atomic():
        order = lock_one(Order.objects.filter(pk=order_id))
        attempt = lock_one(PaymentAttempt.objects.filter(pk=attempt_id))
        assert order is not None and attempt is not None  # noqa: S101, PT018 - neither is ever deleted
        facts = (_order_facts(order), _attempt_facts(attempt))
        verdict = judge(*facts, said, livemode=settings.STRIPE_LIVE_MODE, is_elsewhere=_is_elsewhere(attempt, said))
        return _carry_out(verdict, order, attempt, said, now)


def is_our_mode(livemode: bool) -> bool:  # noqa: FBT001 - the one thing it is asked about
    """Whether something at a provider is of the mode (live or test) this deployment is in."""
    return livemode is settings.STRIPE_LIVE_MODE


def page_is_gone(attempt: PaymentAttempt) -> PaymentSnapshot:
    """What follows where a provider does not know a page of ours any more: as if it had expired."""
    return PaymentSnapshot(
        state=PaymentState.EXPIRED,
        order_id=attempt.order.public_id,
        attempt_key=attempt.idempotency_key,
        session_id=attempt.session_id or "",
        payment_id="",
        amount_minor=0,
        currency=attempt.order.currency,
        livemode=attempt.livemode,
    )


def close_if_over(order: Order, *, now: datetime) -> bool:
    """An order past its end, with no attempt that may still bring money, has expired. Under the order's lock."""
    if order.status != OrderStatus.PENDING or order.expires_at > now or order.attempts.filter(status__in=LIVE_ATTEMPTS).exists():
        return False
    move_order(order, OrderStatus.EXPIRED, closed_at=now)
    return True


def move_order(order: Order, status: OrderStatus, **fields: object) -> None:
    """Move an order by its table and keep further fields. Under its lock."""
    assert may_move(ORDER_MOVES, order.status, status), (order.status, status)  # noqa: S101 - callers have asked
    order.status = status.value
    for name, value in fields.items():
        setattr(order, name, value)
    order.save(update_fields=["status", *fields])


def deliver_and_close(order: Order, attempt: PaymentAttempt, *, now: datetime) -> None:
    """What was ordered is delivered and the order is paid, with this attempt's money. Under the locks; raises what delivery raises."""
    deliver_order(order, attempt, now)
    move_order(order, OrderStatus.PAID, paid_at=now, paid_attempt=attempt, failure_code="", failure_reason="", closed_at=None)


def _carry_out(verdict: Verdict, order: Order, attempt: PaymentAttempt, said: PaymentSnapshot, now: datetime) -> Outcome:
    match verdict.act:
        case Act.SETTLE:
            return _settle(order, attempt, said, now)
        case Act.REVIEW:
            return _review(ReviewReason(verdict.reason), order, attempt, said, now)
        case Act.MOVE if verdict.status is not None:
            return _move(verdict.status, order, attempt, said, now)
        case _:
            return _note_decline(order, attempt, said)


def _settle(order: Order, attempt: PaymentAttempt, said: PaymentSnapshot, now: datetime) -> Outcome:
    try:
        with transaction.atomic():
            _record_money(attempt, said, now)
            deliver_and_close(order, attempt, now=now)
    except BillingError as error:
        logger.warning("Order %s is paid and cannot be credited: %s", order.public_id, error.message)
        order.refresh_from_db()
        return _review(ReviewReason.NOT_CREDITABLE, order, attempt, said, now, why=error.stable_code)
    _retire_others(order, now)
    return Outcome.SETTLED


def _review(reason: ReviewReason, order: Order, attempt: PaymentAttempt, said: PaymentSnapshot, now: datetime, **why: object) -> Outcome:
    found = {
        "owed": {"amount_minor": order.amount_minor, "currency": order.currency, "order_status": order.status},
        "said": {**asdict(said), "state": said.state.value},
        **why,
    }
    _, is_new = PaymentReview.objects.get_or_create(
        attempt=attempt,
        reason=reason,
        payment_ref=said.payment_id or said.session_id,
        defaults={"order": order, "found": found, "opened_at": now},
    )
    if reason not in NOT_ITS_MONEY:
        _record_money(attempt, said, now)
        if order.status == OrderStatus.PENDING:
            move_order(order, OrderStatus.IN_REVIEW)
        _retire_others(order, now)
    elif said.session_id and said.session_id == attempt.session_id and order.expires_at <= now:
        # Its own page was paid with money that is not ours to count: nothing more can come of it.
        _end_without_money(attempt, now)
        close_if_over(order, now=now)
    if is_new:
        logger.error("Payment review opened for order %s: %s", order.public_id, reason.label)
    return Outcome.REVIEW if is_new else Outcome.NOTHING


def _retire_others(order: Order, now: datetime) -> None:
    """Pages of an order that waits for no money any more are closed: at once, and if that job is lost, at their next check."""
    others = order.attempts.filter(status__in=LIVE_ATTEMPTS)
    others.update(check_at=now)
    for other in others.values_list("pk", flat=True):
        enqueue("payments.tasks.retire_attempt", attempt_id=other)


def _record_money(attempt: PaymentAttempt, said: PaymentSnapshot, now: datetime) -> None:
    attempt.status = AttemptStatus.SETTLED
    attempt.settled_minor, attempt.settled_currency = said.amount_minor, said.currency
    _record_ids(attempt, said)
    attempt.ended_at, attempt.check_at = now, None
    attempt.failure_code = attempt.failure_reason = ""
    attempt.save()


def _end_without_money(attempt: PaymentAttempt, now: datetime) -> None:
    if attempt.status in LIVE_ATTEMPTS:
        attempt.status, attempt.ended_at, attempt.check_at = AttemptStatus.FAILED, now, None
        attempt.save(update_fields=["status", "ended_at", "check_at"])


def _move(status: AttemptStatus, order: Order, attempt: PaymentAttempt, said: PaymentSnapshot, now: datetime) -> Outcome:
    attempt.status = status
    _record_ids(attempt, said)
    if status not in LIVE_ATTEMPTS:
        attempt.ended_at, attempt.check_at = now, None
    attempt.save()
    _note_decline(order, attempt, said)
    close_if_over(order, now=now)
    return Outcome.NOTED


def _note_decline(order: Order, attempt: PaymentAttempt, said: PaymentSnapshot) -> Outcome:
    """Keep why the last try failed, in the provider's words, for the customer to read; an order that is paid forgets it."""
    news = {"failure_code": said.failure_code[:64], "failure_reason": said.failure_reason[:300]}
    is_known = (attempt.failure_code, attempt.failure_reason) == tuple(news.values())
    if said.state is PaymentState.PAID or not said.failure_code or is_known or attempt.status == AttemptStatus.SETTLED:
        return Outcome.NOTHING
    PaymentAttempt.objects.filter(pk=attempt.pk).update(**news)
    Order.objects.filter(pk=order.pk, status=OrderStatus.PENDING).update(**news)
    return Outcome.NOTED


def _record_ids(attempt: PaymentAttempt, said: PaymentSnapshot) -> None:
    attempt.session_id = attempt.session_id or said.session_id or None
    attempt.payment_id = attempt.payment_id or said.payment_id or None


def _is_elsewhere(attempt: PaymentAttempt, said: PaymentSnapshot) -> bool:
    """Whether another attempt has this payment or page. Where two learn it at once, a unique key stops the second, which tries again."""
    others = PaymentAttempt.objects.filter(provider=attempt.provider).exclude(pk=attempt.pk)
    told = [Q(**{name: value}) for name, value in (("session_id", said.session_id), ("payment_id", said.payment_id)) if value]
    return any(others.filter(each).exists() for each in told)


def _order_facts(order: Order) -> OrderFacts:
    return OrderFacts(order.public_id, OrderStatus(order.status), order.amount_minor, order.currency)


def _attempt_facts(attempt: PaymentAttempt) -> AttemptFacts:
    return AttemptFacts(attempt.idempotency_key, AttemptStatus(attempt.status), attempt.session_id or "", attempt.payment_id or "")
