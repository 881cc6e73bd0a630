"""What operators may do to orders, reviews and events: by role, where the state allows it, once, and with a reason that stays."""

from typing import Final

import pytest
from django.test import Client
from django.urls import reverse
from pytest_django import Settings

from core import clock
from core.models import AuditRecord
from credits.models import Grant, LedgerEntry
from payments.models import Order, PaymentReview, ProviderEvent, ReviewReason
from payments.services.reviews import close_review
from tests.admin.house import House, every_row, forget, in_role, logged_in, make_house
from tests.admin.pressing import Answer, fill_and_press, open_dialog, press
from tests.admin.sales import Sales
from tests.factories import balance_of, books_now, disagreements
from tests.payments import orders
from tests.threads import at_once, failures

REASON: Final = "Because of ticket 4711."

MAY: Final = {
    "order_cancel": {"billing operations"},
    "providerevent_reprocess": {"billing operations"},
    "paymentreview_credit": {"finance"},
    "paymentreview_close": {"finance"},
}


def dialog(act: str, pk: int) -> str:
    return reverse(f"admin:payments_{act}", args=(pk,))


def model_of(act: str) -> str:
    return act.partition("_")[0]


def page_of(act: str, pk: int) -> str:
    return reverse(f"admin:payments_{model_of(act)}_change", args=(pk,))


def target(act: str, sales: Sales) -> int:
    return {"order": sales.waiting.pk, "providerevent": sales.failed.pk, "paymentreview": sales.review.pk}[model_of(act)]


def offered(browser: Client, act: str, pk: int) -> bool:
    return dialog(act, pk) in browser.get(page_of(act, pk)).content.decode()


def said_by(answer: Answer) -> str:
    assert (answer.status_code, "HX-Redirect" in answer) == (200, False)
    text: str = answer.content.decode()
    return text


def newest_act() -> AuditRecord:
    return AuditRecord.objects.order_by("-pk")[0]


@pytest.mark.parametrize("role", ["support", "billing operations", "finance"])
def test_each_role_is_offered_and_allowed_what_is_its_own(sales: Sales, role: str) -> None:
    browser, before = in_role(role), every_row()
    token = open_password_page(browser)
    for act, roles in MAY.items():
        pk = target(act, sales)
        assert offered(browser, act, pk) is (role in roles), act
        assert browser.get(dialog(act, pk)).status_code == (200 if role in roles else 403), act
        if role not in roles:
            assert browser.post(dialog(act, pk), {"reason": REASON, "csrfmiddlewaretoken": token}).status_code == 403, act
    assert every_row() == before


@pytest.mark.parametrize("act", MAY)
def test_a_role_does_what_is_its_own(sales: Sales, act: str) -> None:
    (role,) = MAY[act]
    answer = fill_and_press(in_role(role), dialog(act, target(act, sales)), reason=REASON)
    assert answer["HX-Redirect"] == page_of(act, target(act, sales))
    assert newest_act().reason == REASON
    assert newest_act().actor is not None


def test_no_act_is_offered_where_the_state_forbids_it(sales: Sales, boss: Client) -> None:
    paid_twice = PaymentReview.objects.get(reason=ReviewReason.PAID_TWICE)
    claimed = ProviderEvent.objects.get(status="claimed")
    close_review(review_id=sales.review.pk, actor_id=None, reason=REASON, now=clock.now())

    assert not offered(boss, "order_cancel", sales.paid.pk)
    assert not offered(boss, "providerevent_reprocess", claimed.pk)
    assert [offered(boss, act, paid_twice.pk) for act in ("paymentreview_credit", "paymentreview_close")] == [False, True]
    assert [offered(boss, act, sales.review.pk) for act in ("paymentreview_credit", "paymentreview_close")] == [False, False]


def test_an_act_that_is_not_offered_is_refused_and_moves_nothing(sales: Sales, boss: Client) -> None:
    paid_twice = PaymentReview.objects.get(reason=ReviewReason.PAID_TWICE)
    claimed = ProviderEvent.objects.get(status="claimed")
    before, books = every_row(), books_now()
    for act, pk, refusal in (
        ("order_cancel", sales.paid.pk, "This order is paid and cannot be cancelled."),
        ("providerevent_reprocess", claimed.pk, "A worker has this event in hand"),
        ("paymentreview_credit", paid_twice.pk, "This money cannot be credited"),
    ):
        assert refusal in said_by(fill_and_press(boss, dialog(act, pk), reason=REASON)), act
    assert (every_row(), books_now()) == (before, books)


def test_cancelling_shows_before_and_after_and_leaves_its_reason(sales: Sales, boss: Client) -> None:
    url = dialog("order_cancel", sales.waiting.pk)
    assert "pending → cancelled" in boss.get(url).content.decode()
    fill_and_press(boss, url, reason=REASON)
    sales.waiting.refresh_from_db()
    record = newest_act()
    assert sales.waiting.status == "cancelled"
    assert (record.act, record.object_id, record.account_id) == ("cancel_order", sales.waiting.public_id, sales.account.pk)
    assert (record.before, record.after) == ({"status": "pending"}, {"status": "cancelled"})


def test_an_order_whose_page_cannot_be_closed_is_not_cancelled(sales: Sales, boss: Client, settings: Settings) -> None:
    settings.STRIPE_TEST_SECRET_KEY = ""
    declined = Order.objects.exclude(failure_code="").get(status="pending")
    before = every_row()
    assert "Payments are not set up here" in said_by(fill_and_press(boss, dialog("order_cancel", declined.pk), reason=REASON))
    assert every_row() == before


def test_crediting_shows_the_balance_before_and_after(sales: Sales, boss: Client) -> None:
    url = dialog("paymentreview_credit", sales.review.pk)
    held = balance_of(sales.account)
    before = every_row()
    html = boss.get(url).content.decode()
    assert "in_review → paid" in html
    assert f"${held // orders.USD}.00" in html
    assert f"${(held + orders.TWENTY_DOLLARS) // orders.USD}.00" in html
    assert "19.99 USD" in html
    assert every_row() == before


def test_crediting_pays_the_order_and_leaves_its_reason(sales: Sales, house: House, boss: Client) -> None:
    held = balance_of(sales.account)
    fill_and_press(boss, dialog("paymentreview_credit", sales.review.pk), reason=REASON)
    sales.review.refresh_from_db()
    assert sales.review.order is not None
    record = newest_act()
    assert balance_of(sales.account) == held + orders.TWENTY_DOLLARS
    assert (sales.review.order.status, sales.review.resolution, sales.review.resolved_by) == ("paid", "credited", house.boss.pk)
    assert (record.act, record.before, record.after["order"]) == ("credit_payment_review", {"order": "in_review"}, "paid")
    assert disagreements() == []


def test_closing_credits_nothing_and_cancels_the_order_that_waited_for_it(sales: Sales, boss: Client) -> None:
    url = dialog("paymentreview_close", sales.review.pk)
    assert "in_review → cancelled" in boss.get(url).content.decode()
    held, entries = balance_of(sales.account), LedgerEntry.objects.count()
    fill_and_press(boss, url, reason=REASON)
    sales.review.refresh_from_db()
    assert sales.review.order is not None
    assert (sales.review.order.status, sales.review.resolution) == ("cancelled", "closed")
    assert (balance_of(sales.account), LedgerEntry.objects.count()) == (held, entries)
    assert newest_act().act == "close_payment_review"


def test_closing_one_of_two_open_reviews_leaves_the_order_as_it_is(sales: Sales, boss: Client) -> None:
    order = sales.review.order
    assert order is not None
    second = PaymentReview.objects.create(
        order=order, attempt=sales.review.attempt, reason=ReviewReason.WRONG_PROVIDER, payment_ref="pi_x", opened_at=clock.now()
    )
    assert "in_review → in_review" in boss.get(dialog("paymentreview_close", second.pk)).content.decode()
    fill_and_press(boss, dialog("paymentreview_close", second.pk), reason=REASON)
    order.refresh_from_db()
    assert order.status == "in_review"


def test_a_review_of_an_event_is_closed(sales: Sales, boss: Client) -> None:
    review = PaymentReview.objects.get(reason=ReviewReason.WRONG_LIVEMODE, order=None)
    assert "HX-Redirect" in fill_and_press(boss, dialog("paymentreview_close", review.pk), reason=REASON)
    review.refresh_from_db()
    assert review.resolution == "closed"
    assert not offered(boss, "paymentreview_credit", review.pk)


def test_processing_again_asks_a_worker_and_leaves_its_reason(sales: Sales, boss: Client) -> None:
    url = dialog("providerevent_reprocess", sales.failed.pk)
    html = boss.get(url).content.decode()
    assert "failed → waiting" in html
    assert "The payment provider does not answer." in html
    fill_and_press(boss, url, reason=REASON)
    sales.failed.refresh_from_db()
    record = newest_act()
    assert (sales.failed.status, sales.failed.tries, sales.failed.lease) == ("waiting", 0, "")
    assert (record.act, record.object_id, record.before["status"]) == ("reprocess_provider_event", str(sales.failed.pk), "failed")


@pytest.mark.parametrize("act", MAY)
def test_a_dialog_sent_twice_acts_once(sales: Sales, boss: Client, act: str) -> None:
    url = dialog(act, target(act, sales))
    fields = open_dialog(boss, url) | {"reason": REASON}
    assert "HX-Redirect" in press(boss, url, fields)
    after_first, books = every_row(), books_now()
    assert "console-errors" in said_by(press(boss, url, fields))
    assert (every_row(), books_now()) == (after_first, books)


def test_an_event_may_be_processed_again_and_again_by_a_dialog_each(sales: Sales, boss: Client) -> None:
    known = AuditRecord.objects.count()
    for _ in range(2):
        assert "HX-Redirect" in fill_and_press(boss, dialog("providerevent_reprocess", sales.failed.pk), reason=REASON)
    assert AuditRecord.objects.count() == known + 2


@pytest.mark.parametrize("seen", ["", "failed 14", "x" * 500])
def test_a_crafted_state_of_an_event_does_nothing(sales: Sales, boss: Client, seen: str) -> None:
    before = every_row()
    answer = fill_and_press(boss, dialog("providerevent_reprocess", sales.failed.pk), reason=REASON, seen=seen)
    assert "HX-Redirect" not in answer
    assert every_row() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("acts", [("credit", "credit"), ("credit", "close"), ("close", "close")])
def test_two_operators_at_once_decide_once(acts: tuple[str, str]) -> None:
    house = make_house()
    review = orders.reviewed_order(house.account)
    held = balance_of(house.account)
    known = AuditRecord.objects.count()
    browsers = [logged_in(house.boss) for _ in acts]
    urls = [dialog(f"paymentreview_{act}", review.pk) for act in acts]
    sent = [open_dialog(browser, url) | {"reason": REASON} for browser, url in zip(browsers, urls, strict=True)]
    outcomes = at_once(*(lambda i=i: "HX-Redirect" in press(browsers[i], urls[i], sent[i]) for i in range(2)))
    forget()

    assert failures(outcomes) == []
    assert sorted(outcomes) == [False, True]  # type: ignore[type-var]
    review.refresh_from_db()
    credited = review.resolution == "credited"
    assert balance_of(house.account) == held + (orders.TWENTY_DOLLARS if credited else 0)
    assert Grant.objects.filter(account=house.account, source_type="order").count() == int(credited)
    assert LedgerEntry.objects.filter(account=house.account, kind="purchase").count() == int(credited)
    assert AuditRecord.objects.count() == known + 1
    assert disagreements() == []


def open_password_page(browser: Client) -> str:
    browser.get("/admin/password_change/")
    return browser.cookies["csrftoken"].value
