"""Resolving a review: an operator credits the money after all, or closes it (having given it back at the provider)."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.db import transaction

from core.audit import record_act
from core.errors import NotFound
from core.locks import lock_one
from payments.errors import ReviewNotCreditable, ReviewResolved
from payments.models import Order, PaymentAttempt, PaymentReview, ReviewReason
from payments.services.settlement import deliver_and_close, move_order
from payments.transitions import AttemptStatus, OrderStatus

CREDITABLE: Final = frozenset(
    {ReviewReason.PAID_AFTER_CLOSE, ReviewReason.WRONG_AMOUNT, ReviewReason.WRONG_CURRENCY, ReviewReason.NOT_CREDITABLE}
)
"""Reasons by which the money is the order's own. The others are money for nothing that we sold: it goes back."""


@dataclass(frozen=True, slots=True)
class _Done:
    """By whom, why and when."""

    actor_id: int | None
    reason: str
    now: datetime


def credit_review(*, review_id: int, actor_id: int | None, reason: str, now: datetime) -> PaymentReview:
    """
    Deliver what was ordered, for the money that came: the order is paid by this attempt.

    Raises NotFound, ReviewResolved, ReviewNotCreditable (paid already, or not its money), and what delivery raises.
    """
    with transaction.atomic():
        review, order, attempt = _locked(review_id)
        if order is None or attempt is None or not _is_creditable(review, order, attempt):
            raise ReviewNotCreditable("This money cannot be credited; give it back at the provider, then close the review.")
        before = order.status
        deliver_and_close(order, attempt, now=now)
        _resolve(review, "credited", actor_id, now)
        _record(review, "credit_payment_review", _Done(actor_id, reason, now), before=before, after=order.status)
    return review


def close_review(*, review_id: int, actor_id: int | None, reason: str, now: datetime) -> PaymentReview:
    """
    Say that the money was dealt with outside. An order that waited for this decision is cancelled.

    Raises NotFound, ReviewResolved.
    """
    with transaction.atomic():
        review, order, _ = _locked(review_id)
        before = order.status if order else ""
        _resolve(review, "closed", actor_id, now)
        if order and order.status == OrderStatus.IN_REVIEW and not order.reviews.filter(resolved_at=None).exists():
            move_order(order, OrderStatus.CANCELLED, closed_at=now)
        after = order.status if order else ""
        _record(review, "close_payment_review", _Done(actor_id, reason, now), before=before, after=after)
    return review


def is_creditable(review: PaymentReview) -> bool:
    """Whether `credit_review` would be allowed, as things stand."""
    return review.order is not None and review.attempt is not None and _is_creditable(review, review.order, review.attempt)


def _is_creditable(review: PaymentReview, order: Order, attempt: PaymentAttempt) -> bool:
    is_its_money = ReviewReason(review.reason) in CREDITABLE and attempt.status == AttemptStatus.SETTLED
    return is_its_money and order.status not in {OrderStatus.PAID, OrderStatus.PENDING}


def _locked(review_id: int) -> tuple[PaymentReview, Order | None, PaymentAttempt | None]:
    """In the order of locks: order, attempt, review."""
    known = PaymentReview.objects.filter(pk=review_id).first()
    if known is None:
        raise NotFound("There is no such review.")
    order = lock_one(Order.objects.filter(pk=known.order_id or 0))
    attempt = lock_one(PaymentAttempt.objects.filter(pk=known.attempt_id or 0))
    review = lock_one(PaymentReview.objects.filter(pk=review_id))
    if review is None or review.resolved_at is not None:
        raise ReviewResolved("Somebody has resolved this review already.")
    return review, order, attempt


def _resolve(review: PaymentReview, resolution: str, actor_id: int | None, now: datetime) -> None:
    review.resolution, review.resolved_by, review.resolved_at = resolution, actor_id, now
    review.save(update_fields=["resolution", "resolved_by", "resolved_at"])


def _record(review: PaymentReview, act: str, done: _Done, *, before: str, after: str) -> None:
    record_act(
        actor_id=done.actor_id,
        act=act,
        object_type="payment_review",
        object_id=str(review.pk),
        account_id=review.order.account_id if review.order else None,
        reason=done.reason,
        before={"order": before},
        after={"order": after, "review": review.reason},
        now=done.now,
    )
