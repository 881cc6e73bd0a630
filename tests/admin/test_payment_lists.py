"""Lists of payments: each filter finds what its words say, each name finds its rows, and none reads a table as a whole."""

from collections.abc import Callable, Sequence
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client

from core import clock
from core.console import pages
from payments.admin.orders import LATE_CLOSING, LONG_PENDING
from payments.models import Order, PaymentAttempt, PaymentReview, ProviderEvent, ReviewReason
from payments.services.reviews import close_review, credit_review
from payments.transitions import OrderStatus
from tests.actors import make_person
from tests.admin.house import House
from tests.admin.looking import queries, shown, text_of
from tests.admin.sales import Sales
from tests.payments import orders

ORDERS = "/admin/payments/order/"
ATTEMPTS = "/admin/payments/paymentattempt/"
REVIEWS = "/admin/payments/paymentreview/"
EVENTS = "/admin/payments/providerevent/"
CUSTOMERS = "/admin/payments/providercustomer/"
TABLES = {ORDERS: "payment_order", ATTEMPTS: "payment_attempt", EVENTS: "provider_event"}
REASON = "Because of ticket 4711."


def ids(found: Sequence[Order]) -> set[str]:
    return {order.public_id for order in found}


def test_orders_that_are_paid_and_not_credited(house: House, boss: Client) -> None:
    account = house.account
    open_ones = [orders.reviewed_order(account, reason).order for reason in ReviewReason if reason is not ReviewReason.UNKNOWN_ATTEMPT]
    decided = [orders.reviewed_order(account) for _ in range(2)]
    credit_review(review_id=decided[0].pk, actor_id=None, reason=REASON, now=clock.now())
    close_review(review_id=decided[1].pk, actor_id=None, reason=REASON, now=clock.now())
    orders.paid_order(account)
    orders.declined_order(account)

    assert set(shown(boss, ORDERS, state="uncredited")) == {order.public_id for order in open_ones if order}
    assert shown(boss, ORDERS, state="settled_outside") == [decided[1].order and decided[1].order.public_id]


def test_orders_that_wait(house: House, boss: Client) -> None:
    now = clock.now()
    fresh = orders.order_of(house.account)
    old = orders.order_of(house.account, now=now - LONG_PENDING - timedelta(seconds=1))
    declined = orders.declined_order(house.account)
    late = orders.order_of(house.account, now=now - timedelta(days=2))
    just_over = orders.order_of(house.account, now=now - (late.expires_at - late.created_at) - LATE_CLOSING / 2)
    orders.closed_order(house.account, now=now - timedelta(days=2))
    orders.paid_order(house.account, now=now - timedelta(hours=3))

    assert set(shown(boss, ORDERS, state="pending_long")) == ids([old, late, just_over])
    assert set(shown(boss, ORDERS, state="declined")) == ids([declined])
    assert set(shown(boss, ORDERS, state="late")) == ids([late])
    assert set(shown(boss, ORDERS, status__exact="pending")) == ids([fresh, old, declined, late, just_over])


def test_orders_paid_today_and_orders_that_brought_no_money(house: House, boss: Client) -> None:
    today = orders.paid_order(house.account)
    orders.paid_order(house.account, now=clock.now() - timedelta(days=1))
    ended = [orders.closed_order(house.account, status) for status in (OrderStatus.EXPIRED, OrderStatus.CANCELLED, OrderStatus.FAILED)]

    assert shown(boss, ORDERS, state="paid_today") == [today.public_id]
    assert set(shown(boss, ORDERS, state="no_money")) == ids(ended)


def test_orders_by_currency(house: House, boss: Client, settings: object) -> None:
    settings.PURCHASE_CURRENCIES = {"USD": "100", "JPY": "150"}  # type: ignore[attr-defined]
    yen = orders.order_of(house.account, currency="JPY")
    orders.order_of(house.account)

    assert shown(boss, ORDERS, currency="JPY") == [yen.public_id]
    assert "3000 JPY" in text_of(boss, ORDERS, currency="JPY")
    html = boss.get(ORDERS).content.decode()
    assert ('value="JPY"' in html, 'value="EUR"' in html) == (True, False)


def test_attempts_by_what_is_wrong_with_them(house: House, boss: Client) -> None:
    account, old = house.account, clock.now() - timedelta(minutes=30)
    lost = orders.attempt_of(orders.order_of(account, now=old), is_open=False)
    orders.attempt_of(orders.order_of(account), is_open=False)
    twice = orders.reviewed_order(account, ReviewReason.PAID_TWICE).attempt
    credited = orders.reviewed_order(account)
    credit_review(review_id=credited.pk, actor_id=None, reason=REASON, now=clock.now())
    declined = orders.declined_order(account).attempts.get()

    assert shown(boss, ATTEMPTS, state="lost") == [str(lost)]
    assert str(lost) in shown(boss, ATTEMPTS, state="unchecked")
    assert shown(boss, ATTEMPTS, state="unpaying") == [str(twice)]
    assert shown(boss, ATTEMPTS, state="declined") == [str(declined)]
    assert len(shown(boss, ATTEMPTS, status__exact="settled")) == 3
    assert shown(boss, ATTEMPTS, provider__exact="creem") == []


def test_events_by_what_is_wrong_with_them(sales: Sales, boss: Client) -> None:
    stuck = ProviderEvent.objects.get(status="waiting")
    other_mode = ProviderEvent.objects.get(livemode=True)
    listed = orders.received(source="list")

    assert shown(boss, EVENTS, state="failed") == [str(sales.failed)]
    assert shown(boss, EVENTS, state="waiting") == [str(stuck)]
    assert set(shown(boss, EVENTS, state="stuck")) == {str(sales.failed), str(stuck)}
    assert shown(boss, EVENTS, state="other_mode") == [str(other_mode)]
    assert shown(boss, EVENTS, state="not_told") == [str(listed)]
    assert shown(boss, EVENTS, type="checkout.session.expired") == []
    assert len(shown(boss, EVENTS, type="checkout.session.completed")) == 2
    assert len(shown(boss, EVENTS, outcome__exact="settled")) == 1


def test_reviews_are_listed_open_ones_first(sales: Sales, boss: Client) -> None:
    close_review(review_id=sales.review.pk, actor_id=None, reason=REASON, now=clock.now())
    listed = [str(row) for row in boss.get(REVIEWS).context["cl"].result_list]

    assert listed[-1] == str(sales.review)
    assert len(shown(boss, REVIEWS, state="open")) == len(listed) - 1
    assert shown(boss, REVIEWS, state="closed") == [str(sales.review)]
    creditable = {"paid_after_close", "wrong_currency", "not_creditable"}
    found = boss.get(REVIEWS, {"state": "creditable"}).context["cl"].result_list
    assert {row.reason for row in found} == creditable


def test_every_name_finds_its_rows(sales: Sales, boss: Client) -> None:
    order, attempt = sales.paid, sales.paid.attempts.get()
    event = ProviderEvent.objects.get(order=order)
    review = sales.review
    assert attempt.session_id
    assert attempt.payment_id
    for word in (order.public_id, attempt.session_id, attempt.payment_id):
        assert shown(boss, ORDERS, q=word) == [order.public_id], word
        assert shown(boss, ATTEMPTS, q=word) == [str(attempt)], word
        assert shown(boss, EVENTS, q=word) == [str(event)], word
        assert shown(boss, REVIEWS, q=word) == [], word
    assert shown(boss, EVENTS, q=event.event_id) == [str(event)]
    assert shown(boss, REVIEWS, q=review.order.public_id if review.order else "") == [str(review)]
    assert shown(boss, REVIEWS, q=PaymentReview.objects.get(reason="unknown_attempt").event.event_id) != []  # type: ignore[union-attr]
    assert len(shown(boss, CUSTOMERS, q="cus_1")) == 1


@pytest.mark.parametrize("url", [ORDERS, ATTEMPTS, REVIEWS, EVENTS, CUSTOMERS])
def test_an_account_finds_its_own_rows_only(sales: Sales, boss: Client, url: str) -> None:
    stranger = make_person("dora").account
    everything = len(shown(boss, url))
    assert 0 < len(shown(boss, url, q=sales.account.public_id)) <= everything
    assert shown(boss, url, q="bea@example.com") == shown(boss, url, q=sales.account.public_id)
    assert shown(boss, url, q=stranger.public_id) == []
    assert shown(boss, url, q=f"{stranger.public_id} {sales.paid.public_id}") == []
    assert shown(boss, url, q="nothing_like_it") == []


@pytest.mark.parametrize("url", TABLES)
def test_a_list_over_all_accounts_reads_the_newest_ids_and_counts_nothing(sales: Sales, boss: Client, url: str) -> None:
    with queries() as statements:
        assert boss.get(url).status_code == 200
    (page,) = [sql for sql in statements if f'ORDER BY "{TABLES[url]}"."id" DESC' in sql]
    assert f'"{TABLES[url]}"."id" > ' in page
    assert [sql for sql in statements if "COUNT(" in sql.upper()] == []


@pytest.mark.parametrize(
    ("url", "query"),
    [
        (ORDERS, {"state": "uncredited"}),
        (ORDERS, {"state": "pending_long"}),
        (ATTEMPTS, {"state": "lost"}),
        (EVENTS, {"state": "stuck"}),
        (EVENTS, {"state": "failed"}),
    ],
)
def test_what_needs_a_hand_is_found_however_old_it_is(sales: Sales, boss: Client, url: str, query: dict[str, str]) -> None:
    orders.attempt_of(orders.order_of(sales.account, now=clock.now() - timedelta(hours=2)), is_open=False)
    before = shown(boss, url, **query)
    assert before
    for table in TABLES.values():
        push_back(table)

    assert shown(boss, url) == []
    assert "Only the newest" in text_of(boss, url)
    assert shown(boss, url, **query) == before
    assert "Only the newest" not in text_of(boss, url, **query)


def test_the_way_from_an_order_goes_back_to_the_first_row(sales: Sales, boss: Client) -> None:
    attempt = sales.paid.attempts.get()
    push_back("payment_attempt")
    push_back("provider_event")
    assert shown(boss, ATTEMPTS, order__id__exact=str(sales.paid.pk)) == [str(attempt)]
    for query in ({"order__id__exact": str(sales.paid.pk)}, {"attempt__id__exact": str(attempt.pk)}):
        assert len(shown(boss, EVENTS, **query)) == 1


def push_back(table: str) -> None:
    """As if so many rows had come since that today's are no longer among the newest."""
    with connection.cursor() as cursor:
        sequence = f"pg_get_serial_sequence('{table}', 'id')"
        cursor.execute(f"SELECT setval({sequence}, nextval({sequence}) + {pages.NEWEST_ROWS})")


def more_orders(sales: Sales) -> None:
    for _ in range(15):
        orders.paid_order(sales.account)
        orders.reviewed_order(sales.account)


def more_events(sales: Sales) -> None:
    attempt = sales.paid.attempts.get()
    for _ in range(15):
        orders.done_event(attempt)
        orders.failed_event()


@pytest.mark.parametrize(("url", "add"), [(ORDERS, more_orders), (ATTEMPTS, more_orders), (REVIEWS, more_orders), (EVENTS, more_events)])
def test_a_list_costs_the_same_queries_whatever_its_length(sales: Sales, boss: Client, url: str, add: Callable[[Sales], None]) -> None:
    boss.get(url)
    with queries() as few:
        boss.get(url)
    add(sales)
    with queries() as many:
        boss.get(url)
    assert len(many) == len(few) <= 6, few


def test_a_currency_that_we_do_not_deal_in_is_still_shown(house: House, boss: Client) -> None:
    order = orders.order_of(house.account)
    attempt = orders.attempt_of(order)
    orders.apply(attempt, orders.said_of(attempt, currency="BHD", amount_minor=7_500))

    for url in (ATTEMPTS, REVIEWS, "/admin/", f"{ORDERS}{order.pk}/change/"):
        assert "7500 minor units of BHD" in text_of(boss, url), url
    assert PaymentAttempt.objects.get(pk=attempt.pk).settled_currency == "BHD"
