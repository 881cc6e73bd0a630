"""What is decided about a payment: every misfit of money is looked at, and nothing is credited twice."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payments.contract import PaymentSnapshot, PaymentState
from payments.judging import NOT_ITS_MONEY, Act, AttemptFacts, OrderFacts, Verdict, judge
from payments.models import ReviewReason
from payments.transitions import ATTEMPT_MOVES, AttemptStatus, OrderStatus

ORDER = OrderFacts("ord_1", OrderStatus.PENDING, 2_000, "USD")
ATTEMPT = AttemptFacts("attempt:1", AttemptStatus.OPEN, "cs_1", "")
PAID = PaymentSnapshot(PaymentState.PAID, "ord_1", "attempt:1", "cs_1", "pi_1", 2_000, "USD", livemode=False)


def decide(order: OrderFacts = ORDER, attempt: AttemptFacts = ATTEMPT, said: PaymentSnapshot = PAID) -> Verdict:
    return judge(order, attempt, said, livemode=False)


def test_money_that_fits_is_credited() -> None:
    assert decide() == Verdict(Act.SETTLE)


@pytest.mark.parametrize("status", [AttemptStatus.OPENING, AttemptStatus.PROCESSING, AttemptStatus.FAILED, AttemptStatus.EXPIRED])
def test_money_is_credited_wherever_the_attempt_stood_as_long_as_the_order_waits(status: AttemptStatus) -> None:
    assert decide(attempt=replace(ATTEMPT, status=status)) == Verdict(Act.SETTLE)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"amount_minor": 1_999}, "wrong_amount"),
        ({"amount_minor": 2_001}, "wrong_amount"),
        ({"currency": "EUR"}, "wrong_currency"),
        ({"livemode": True}, "wrong_livemode"),
        ({"order_id": "ord_2"}, "wrong_provider"),
        ({"order_id": ""}, "wrong_provider"),
        ({"attempt_key": "attempt:2"}, "wrong_provider"),
        ({"session_id": "cs_2"}, "wrong_provider"),
    ],
)
def test_money_that_does_not_fit_is_looked_at(change: dict[str, object], reason: str) -> None:
    assert decide(said=replace(PAID, **change)) == Verdict(Act.REVIEW, reason)  # type: ignore[arg-type]


def test_another_payment_than_the_one_the_attempt_knows_is_looked_at() -> None:
    assert decide(attempt=replace(ATTEMPT, payment_id="pi_9")) == Verdict(Act.REVIEW, "wrong_provider")


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        (OrderStatus.PAID, "paid_twice"),
        (OrderStatus.IN_REVIEW, "paid_twice"),
        (OrderStatus.CANCELLED, "paid_after_close"),
        (OrderStatus.EXPIRED, "paid_after_close"),
        (OrderStatus.FAILED, "paid_after_close"),
    ],
)
def test_money_for_an_order_that_does_not_wait_is_looked_at(status: OrderStatus, reason: str) -> None:
    assert decide(order=replace(ORDER, status=status)) == Verdict(Act.REVIEW, reason)


@given(said=st.sampled_from(PaymentState), status=st.sampled_from(OrderStatus), amount=st.integers(0, 10**12))
def test_a_settled_attempt_is_final_whatever_is_said_later(said: PaymentState, status: OrderStatus, amount: int) -> None:
    settled = replace(ATTEMPT, status=AttemptStatus.SETTLED)
    later = replace(PAID, state=said, amount_minor=amount)
    assert decide(replace(ORDER, status=status), settled, later) == Verdict(Act.NOTHING)


@given(
    said=st.builds(
        PaymentSnapshot,
        state=st.sampled_from(PaymentState),
        order_id=st.sampled_from(["ord_1", "ord_2", ""]),
        attempt_key=st.just("attempt:1"),
        session_id=st.just("cs_1"),
        payment_id=st.just("pi_1"),
        amount_minor=st.sampled_from([1_999, 2_000]),
        currency=st.sampled_from(["USD", "EUR"]),
        livemode=st.booleans(),
    ),
    status=st.sampled_from(AttemptStatus),
    order_status=st.sampled_from(OrderStatus),
)
def test_nothing_is_credited_unless_everything_fits(said: PaymentSnapshot, status: AttemptStatus, order_status: OrderStatus) -> None:
    verdict = decide(replace(ORDER, status=order_status), replace(ATTEMPT, status=status), said)
    fits = said == PAID
    assert (verdict.act is Act.SETTLE) == (fits and order_status is OrderStatus.PENDING and status is not AttemptStatus.SETTLED)
    if verdict.act is Act.MOVE:
        assert verdict.status in ATTEMPT_MOVES[status]
    if verdict.act is Act.REVIEW:
        assert said.state is PaymentState.PAID
        assert verdict.reason in ReviewReason.values


def test_news_without_money_never_moves_an_attempt_backwards() -> None:
    opened = replace(PAID, state=PaymentState.OPEN)
    for status in (AttemptStatus.PROCESSING, AttemptStatus.FAILED, AttemptStatus.EXPIRED, AttemptStatus.OPEN):
        assert decide(attempt=replace(ATTEMPT, status=status), said=opened) == Verdict(Act.NOTHING)


def test_reasons_that_are_not_about_its_own_money_are_known_reviews() -> None:
    assert set(ReviewReason.values) >= NOT_ITS_MONEY
