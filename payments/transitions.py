"""
How an order, an attempt and a provider event may move. A move that is not here does not happen: triggers (sql/guards.sql) say the same.

Whether money that arrived may be credited is not decided here but in `payments.judging`.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar


class OrderStatus(StrEnum):
    """
    `pending` waits for money. `paid`: settled, and what was ordered is delivered. `in_review`: money came that does not fit, an
    operator decides. `cancelled` by the customer, `expired` by the clock, `failed`: the provider refused the checkout itself.
    """

    PENDING = "pending"
    IN_REVIEW = "in_review"
    PAID = "paid"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    FAILED = "failed"


class AttemptStatus(StrEnum):
    """
    `opening`: the provider is being asked, or did not answer. `open`: a person may pay. `processing`: paid by a method that settles
    later. `settled`: the provider has the money, which says nothing about whether it could be credited. The rest: no money came.
    """

    OPENING = "opening"
    OPEN = "open"
    PROCESSING = "processing"
    SETTLED = "settled"
    FAILED = "failed"
    EXPIRED = "expired"


class EventStatus(StrEnum):
    """`waiting` for a worker; `claimed` by one, until its lease ends; `done`; `failed`: given up, an operator is needed."""

    WAITING = "waiting"
    CLAIMED = "claimed"
    DONE = "done"
    FAILED = "failed"


Status = TypeVar("Status", OrderStatus, AttemptStatus, EventStatus)

ORDER_MOVES: Final[Mapping[OrderStatus, frozenset[OrderStatus]]] = {
    OrderStatus.PENDING: frozenset(
        {OrderStatus.PAID, OrderStatus.IN_REVIEW, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.FAILED}
    ),
    # From here on only an operator who looked at it: money that came for a closed order may be accepted after all.
    OrderStatus.IN_REVIEW: frozenset({OrderStatus.PAID, OrderStatus.CANCELLED}),
    OrderStatus.CANCELLED: frozenset({OrderStatus.PAID}),
    OrderStatus.EXPIRED: frozenset({OrderStatus.PAID}),
    OrderStatus.FAILED: frozenset({OrderStatus.PAID}),
    OrderStatus.PAID: frozenset(),
}

NO_MONEY: Final = frozenset({AttemptStatus.FAILED, AttemptStatus.EXPIRED})
"""Attempts that ended without money."""
ATTEMPT_MOVES: Final[Mapping[AttemptStatus, frozenset[AttemptStatus]]] = {
    AttemptStatus.OPENING: frozenset({AttemptStatus.OPEN, AttemptStatus.PROCESSING, AttemptStatus.SETTLED, *NO_MONEY}),
    AttemptStatus.OPEN: frozenset({AttemptStatus.PROCESSING, AttemptStatus.SETTLED, *NO_MONEY}),
    AttemptStatus.PROCESSING: frozenset({AttemptStatus.SETTLED, *NO_MONEY}),
    # Money that arrives after we thought it would not is still money: it is recorded, and looked at.
    # One that was given up for want of an answer lives again when its page turns up.
    AttemptStatus.FAILED: frozenset({AttemptStatus.SETTLED, AttemptStatus.OPEN}),
    AttemptStatus.EXPIRED: frozenset({AttemptStatus.SETTLED}),
    AttemptStatus.SETTLED: frozenset(),
}

EVENT_MOVES: Final[Mapping[EventStatus, frozenset[EventStatus]]] = {
    EventStatus.WAITING: frozenset({EventStatus.CLAIMED, EventStatus.FAILED}),
    EventStatus.CLAIMED: frozenset({EventStatus.WAITING, EventStatus.DONE, EventStatus.FAILED}),
    EventStatus.FAILED: frozenset({EventStatus.WAITING}),
    EventStatus.DONE: frozenset({EventStatus.WAITING}),  # An operator has it looked at again; applying it twice changes nothing.
}

LIVE_ATTEMPTS: Final = frozenset({AttemptStatus.OPENING, AttemptStatus.OPEN, AttemptStatus.PROCESSING})
"""Attempts by which money may still come."""


def may_move(moves: Mapping[Status, frozenset[Status]], before: str, after: Status) -> bool:
    """Whether a row may go from one status to another by its table."""
    return any(known == before and after in allowed for known, allowed in moves.items())
