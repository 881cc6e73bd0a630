"""Statuses move forward, by their tables; money once settled is final."""

import pytest

from payments.transitions import (
    ATTEMPT_MOVES,
    EVENT_MOVES,
    LIVE_ATTEMPTS,
    ORDER_MOVES,
    AttemptStatus,
    EventStatus,
    OrderStatus,
    may_move,
)


def test_every_status_has_its_row_and_every_table_is_asked_by_text() -> None:
    assert set(ORDER_MOVES) == set(OrderStatus)
    assert set(ATTEMPT_MOVES) == set(AttemptStatus)
    assert set(EVENT_MOVES) == set(EventStatus)
    assert may_move(ORDER_MOVES, "pending", OrderStatus.PAID)
    assert not may_move(ORDER_MOVES, "no such status", OrderStatus.PAID)


def test_an_order_once_paid_and_an_attempt_once_settled_go_nowhere() -> None:
    assert not ORDER_MOVES[OrderStatus.PAID]
    assert not ATTEMPT_MOVES[AttemptStatus.SETTLED]


@pytest.mark.parametrize("status", [status for status in OrderStatus if status is not OrderStatus.PENDING])
def test_nothing_goes_back_to_pending(status: OrderStatus) -> None:
    assert not may_move(ORDER_MOVES, status, OrderStatus.PENDING)


@pytest.mark.parametrize("status", AttemptStatus)
def test_an_attempt_never_goes_back_to_opening_and_money_is_recorded_from_everywhere(status: AttemptStatus) -> None:
    assert not may_move(ATTEMPT_MOVES, status, AttemptStatus.OPENING)
    assert may_move(ATTEMPT_MOVES, status, AttemptStatus.SETTLED) == (status is not AttemptStatus.SETTLED)
    assert (status in LIVE_ATTEMPTS) == may_move(ATTEMPT_MOVES, status, AttemptStatus.EXPIRED)
