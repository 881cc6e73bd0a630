"""
What to do about what a provider says of a payment: one pure decision over an order, an attempt and a snapshot.

Money is credited only if everything fits: the attempt's own payment, at the same provider, for the exact amount and currency, in our
mode, for an order that still waits. Whatever else arrives paid is looked at by a person. Source: docs/adr/0016.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from payments.contract import PaymentSnapshot, PaymentState
from payments.transitions import ATTEMPT_MOVES, NO_MONEY, AttemptStatus, OrderStatus, may_move


class Act(StrEnum):
    """`settle`: credit it. `review`: record the money, credit nothing, ask a person. `move`: another status. `nothing`: known already."""

    SETTLE = "settle"
    REVIEW = "review"
    MOVE = "move"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class OrderFacts:
    """What the decision needs to know of the order; amount in minor units."""

    public_id: str
    status: OrderStatus
    amount_minor: int
    currency: str


@dataclass(frozen=True, slots=True)
class AttemptFacts:
    """What it needs to know of the attempt. Ids are empty where the provider has not told them yet."""

    key: str
    status: AttemptStatus
    session_id: str
    payment_id: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """The decision. `reason` of a review, in `ReviewReason`'s words; `status` where the attempt moves without money."""

    act: Act
    reason: str = ""
    status: AttemptStatus | None = None


NOT_ITS_MONEY: Final = frozenset({"wrong_provider", "wrong_livemode"})
"""Reasons by which the payment is none of this attempt's: the attempt stays as it is, so that its own payment can still come."""

_MOVED: Final[dict[PaymentState, AttemptStatus]] = {
    PaymentState.OPEN: AttemptStatus.OPEN,
    PaymentState.PROCESSING: AttemptStatus.PROCESSING,
    PaymentState.FAILED: AttemptStatus.FAILED,
    PaymentState.EXPIRED: AttemptStatus.EXPIRED,
}


def judge(order: OrderFacts, attempt: AttemptFacts, said: PaymentSnapshot, *, livemode: bool, is_elsewhere: bool = False) -> Verdict:
    """
    Decide. Applying a verdict twice is applying it once: a settled attempt is final.

    `is_elsewhere`: another attempt has this very payment or page. One payment counts once, whatever is written on it.
    """
    if is_elsewhere or attempt.status is AttemptStatus.SETTLED:
        is_other_money = said.state is PaymentState.PAID and (is_elsewhere or not _is_same_payment(order, attempt, said))
        return Verdict(Act.REVIEW, "wrong_provider") if is_other_money else Verdict(Act.NOTHING)
    if said.state is not PaymentState.PAID:
        status = _MOVED[said.state]
        if attempt.status in NO_MONEY:  # News of a page that has ended is old news.
            return Verdict(Act.NOTHING)
        return Verdict(Act.MOVE, status=status) if may_move(ATTEMPT_MOVES, attempt.status, status) else Verdict(Act.NOTHING)
    reason = _misfit(order, attempt, said, livemode=livemode)
    return Verdict(Act.REVIEW, reason) if reason else Verdict(Act.SETTLE)


def _misfit(order: OrderFacts, attempt: AttemptFacts, said: PaymentSnapshot, *, livemode: bool) -> str:
    """Why this money cannot be credited by rule; empty if it can."""
    if said.livemode is not livemode:
        return "wrong_livemode"
    if not _is_same_payment(order, attempt, said):
        return "wrong_provider"
    if said.currency != order.currency:
        return "wrong_currency"
    if said.amount_minor != order.amount_minor:
        return "wrong_amount"
    if order.status in {OrderStatus.PAID, OrderStatus.IN_REVIEW}:
        return "paid_twice"
    return "" if order.status is OrderStatus.PENDING else "paid_after_close"


def _is_same_payment(order: OrderFacts, attempt: AttemptFacts, said: PaymentSnapshot) -> bool:
    """The provider's payment names this order and attempt, and is the one that the attempt knows, where it knows one."""
    known = ((attempt.session_id, said.session_id), (attempt.payment_id, said.payment_id))
    return (said.order_id, said.attempt_key) == (order.public_id, attempt.key) and all(
        not ours or not theirs or ours == theirs for ours, theirs in known
    )
