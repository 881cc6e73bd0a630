"""The same Idempotency-Key while a checkout is being opened, and after a kill -9 in the middle of it: one order, one page, one answer."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import pytest

from tests.sandbox import browser
from tests.scenarios.machine import Reply, wait_until
from tests.scenarios.till import Customer, Till

SESSIONS = "/v1/checkout/sessions"
CUSTOMERS = "/v1/customers"
SLOW = 3
"""Seconds in which the provider keeps back an answer that the test has to get ahead of."""


@contextmanager
def making_the_customer(till: Till, who: Customer) -> Iterator[None]:
    """The provider was asked for a customer, and has not answered."""
    till.await_fault()
    assert till.sessions_of(who) == []
    yield


@contextmanager
def making_the_page(till: Till, who: Customer) -> Iterator[None]:
    """The provider has made the page, and has not said so."""
    wait_until(lambda: len(till.sessions_of(who)) == 1, "the provider has made the page")
    yield


@contextmanager
def writing_down_the_page(till: Till, who: Customer) -> Iterator[None]:
    """The provider has said where the page is, and it is not yet written down."""
    with (
        making_the_page(till, who),
        till.machine.holding("SELECT 1 FROM payment_order WHERE account_id = %(account)s FOR UPDATE", account=who.account_id),
    ):
        wait_until(lambda: till.machine.waiting_for("payment_order") == 1, "the answer waits to be written down")
        yield
        till.machine.end_waiting()


@contextmanager
def keeping_the_answer(till: Till, who: Customer) -> Iterator[None]:
    """The page is written down, and what the client is to hear is not yet kept."""
    with making_the_page(till, who), till.machine.holding("SELECT 1 FROM core_idempotentrequest WHERE answer IS NULL FOR UPDATE"):
        wait_until(lambda: till.machine.waiting_for("core_idempotentrequest") == 1, "the answer waits to be kept")
        yield
        till.machine.end_waiting()


Caught = Callable[[Till, Customer], AbstractContextManager[None]]
SLOW_AT: dict[Caught, str] = {
    making_the_customer: CUSTOMERS,
    making_the_page: SESSIONS,
    writing_down_the_page: SESSIONS,
    keeping_the_answer: SESSIONS,
}


@pytest.mark.parametrize("caught", SLOW_AT)
def test_the_same_key_after_a_kill_is_a_409_and_later_the_one_page(till: Till, worker: None, caught: Caught) -> None:
    who = till.customer()
    till.fault(SLOW_AT[caught], "POST", after=SLOW)
    killed = threading.Thread(target=till.buy_into_the_void, args=(who, "the-key"))
    killed.start()
    with caught(till, who):
        till.machine.kill_web_workers()
    killed.join()
    assert_in_progress(till.buy(who, "the-key"))
    till.an_hour_passes()
    first = patiently(till, who, "the-key")
    assert_one_checkout(till, who, "the-key", first)
    assert browser.pay(first.body["checkout_url"]).status == 303
    till.recover(who)
    till.assert_credited_once(who)


def test_the_same_key_while_the_provider_is_slow_is_a_409_and_later_the_first_answer(till: Till) -> None:
    who = till.customer()
    till.fault(SESSIONS, "POST", after=SLOW)
    answers: list[Reply] = []
    slow = threading.Thread(target=lambda: answers.append(till.buy(who, "the-key")))
    slow.start()
    with making_the_page(till, who):
        assert_in_progress(till.buy(who, "the-key"))
        assert not answers
    slow.join()
    (first,) = answers
    assert first.status == 200
    assert_one_checkout(till, who, "the-key", first)


def patiently(till: Till, who: Customer, key: str) -> Reply:
    """Send it again for as long as the provider is still at what it was asked before the kill."""
    replies: list[Reply] = []

    def is_over() -> bool:
        replies.append(till.buy(who, key))
        return replies[-1].status != 503

    wait_until(is_over, "the provider has ended what it was at")
    assert {each.body["code"] for each in replies[:-1]} <= {"provider_unavailable"}
    assert replies[-1].status == 200, replies[-1].content
    return replies[-1]


def assert_in_progress(reply: Reply) -> None:
    assert (reply.status, reply.body["code"]) == (409, "request_in_progress")
    assert int(reply.headers["Retry-After"]) >= 1


def assert_one_checkout(till: Till, who: Customer, key: str, first: Reply) -> None:
    """What was answered first is answered again, and there is one order, one attempt and one page of it."""
    again = till.buy(who, key)
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert till.orders_of(who) == ["pending"]
    assert till.sessions_of(who) == [first.body["session_id"]]
