"""Pages of payments: from an order to its entry in the ledger and back, in words, and without anything secret."""

import json
from datetime import timedelta

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import Permission
from django.test import Client
from django.urls import NoReverseMatch, reverse
from djstripe.models import APIKey
from pytest_django import Settings

from accounts.models import User
from core import clock
from credits.models import Grant, LedgerEntry
from payments.admin.shown import at_provider
from payments.models import PaymentReview, ProviderEvent, ReviewReason
from payments.services.inbox import forget_payloads
from payments.services.reviews import credit_review
from tests.admin.house import House
from tests.admin.looking import queries, shown, text_of
from tests.admin.sales import Sales
from tests.payments import orders

REASON = "Because of ticket 4711."


def page(model: str, pk: object) -> str:
    return f"/admin/payments/{model}/{pk}/change/"


def test_an_orders_page_leads_from_its_lines_to_the_ledger(sales: Sales, boss: Client) -> None:
    order, attempt = sales.paid, sales.paid.attempts.get()
    event = ProviderEvent.objects.get(order=order)
    grant = Grant.objects.get(source_id=order.public_id)
    entry = LedgerEntry.objects.get(source_key=f"grant:{grant.pk}:effective")

    html = boss.get(page("order", order.pk)).content.decode()
    for url in (
        page("paymentattempt", attempt.pk),
        page("providerevent", event.pk),
        f"/admin/credits/grant/{grant.pk}/change/",
        f"/admin/credits/ledgerentry/{entry.pk}/change/",
        f"/admin/accounts/account/{order.account_id}/change/",
        f"/admin/payments/providerevent/?order__id__exact={order.pk}",
    ):
        assert url in html, url
    text = text_of(boss, page("order", order.pk))
    for words in (order.public_id, "20.00 USD", "Credits worth $20.00", "$20.00 20,000 credits", "money credited", "our own page"):
        assert words in text, words


def test_what_belongs_to_an_order_leads_back_to_it(sales: Sales, boss: Client) -> None:
    order = sales.paid
    event = ProviderEvent.objects.get(order=order)
    assert sales.review.order is not None
    for url, back in (
        (page("paymentattempt", order.attempts.get().pk), order),
        (page("providerevent", event.pk), order),
        (page("paymentreview", sales.review.pk), sales.review.order),
        (f"/admin/accounts/account/{sales.account.pk}/change/", sales.waiting),
    ):
        assert page("order", back.pk) in boss.get(url).content.decode(), url
    assert page("paymentattempt", order.attempts.get().pk) in boss.get(page("providerevent", event.pk)).content.decode()


def test_an_entry_leads_to_its_grant_and_a_grant_to_its_order(sales: Sales, boss: Client) -> None:
    grant = Grant.objects.get(source_id=sales.paid.public_id)
    entry = LedgerEntry.objects.get(source_key=f"grant:{grant.pk}:effective")
    url = f"/admin/payments/order/?q={sales.paid.public_id}"
    assert f"/admin/credits/grant/{grant.pk}/change/" in boss.get(f"/admin/credits/ledgerentry/{entry.pk}/change/").content.decode()
    assert url in boss.get(f"/admin/credits/grant/{grant.pk}/change/").content.decode()
    assert shown(boss, url) == [sales.paid.public_id]


def test_an_orders_page_tells_what_operators_did_to_it_its_events_and_its_reviews(sales: Sales, boss: Client) -> None:
    credit_review(review_id=sales.review.pk, actor_id=None, reason="Rounding at the bank, ticket 4711.", now=clock.now())
    assert sales.review.order is not None
    text = text_of(boss, page("order", sales.review.order.pk))
    for words in ("credit_payment_review", "the server", "Rounding at the bank, ticket 4711.", "credited after all", "19.99 USD"):
        assert words in text, words


def test_an_orders_page_costs_a_fixed_number_of_queries(sales: Sales, boss: Client) -> None:
    url = page("order", sales.paid.pk)
    boss.get(url)
    with queries() as few:
        boss.get(url)
    for _ in range(10):
        orders.done_event(sales.paid.attempts.get())
    with queries() as many:
        boss.get(url)
    assert len(many) == len(few) <= 20, few


def test_cards_of_an_order_are_shown_by_permission(sales: Sales, clerk: Client) -> None:
    may_view = Permission.objects.get(content_type__app_label="payments", codename="view_order")
    User.objects.get(email="clerk@example.com").user_permissions.add(may_view)
    text = text_of(clerk, page("order", sales.paid.pk))
    assert "20.00 USD" in text
    for title in ("What was ordered", "Provider events", "Credits delivered", "What operators did"):
        assert title not in text, title


@pytest.mark.parametrize("reason", [reason for reason in ReviewReason if reason is not ReviewReason.UNKNOWN_ATTEMPT])
def test_a_review_says_why_and_sets_what_was_owed_beside_what_came(house: House, boss: Client, reason: ReviewReason) -> None:
    review = orders.reviewed_order(house.account, reason)
    assert review.order is not None
    text = text_of(boss, page("paymentreview", review.pk))
    said = review.found["said"]
    assert reason.label in text
    assert f"Amount 20.00 USD {orders_money(said)}" in text
    assert f"Order {review.order.public_id} {said['order_id'] or '–'}" in text


def orders_money(said: dict[str, object]) -> str:
    assert isinstance(said["amount_minor"], int)
    return f"{said['amount_minor'] // 100}.{said['amount_minor'] % 100:02} {said['currency']}"


def test_what_differs_is_marked(house: House, boss: Client) -> None:
    html = boss.get(page("paymentreview", orders.reviewed_order(house.account).pk)).content.decode()
    assert '<tr class="is-different"><th scope="row">Amount</th><td>20.00 USD</td><td>19.99 USD</td></tr>' in html
    assert html.count("is-different") == 1


def test_a_review_of_an_event_says_what_to_find_out(sales: Sales, boss: Client) -> None:
    other_mode, unknown = (PaymentReview.objects.get(order=None, reason=reason) for reason in ("wrong_livemode", "unknown_attempt"))
    assert "Mode test live" in text_of(boss, page("paymentreview", other_mode.pk))
    text = text_of(boss, page("paymentreview", unknown.pk))
    assert "This database has lost an attempt" in text
    assert "Amount – 5.00 USD" in text
    assert page("providerevent", unknown.event_id) in boss.get(page("paymentreview", unknown.pk)).content.decode()


def test_an_events_payload_is_shown_without_what_may_act_on_a_payment(sales: Sales, boss: Client) -> None:
    event = ProviderEvent.objects.get(order=sales.paid)
    text = text_of(boss, page("providerevent", event.pk))
    assert f'"type": "{event.type}"' in text
    assert "client_secret" not in text
    assert "seti_1_secret_tests" not in json.dumps(event.payload)


def test_markup_in_a_payload_is_text(boss: Client) -> None:
    event = orders.received(orders.reported(payload={"name": "<script>alert(1)</script>"}))
    assert "<script>alert(1)" not in boss.get(page("providerevent", event.pk)).content.decode()


def test_a_payload_that_was_forgotten_says_so(sales: Sales, boss: Client, settings: Settings) -> None:
    event = ProviderEvent.objects.get(order=sales.paid)
    forget_payloads(now=clock.now() + timedelta(days=settings.PROVIDER_PAYLOAD_DAYS + 1))
    assert f"Forgotten: the payload of an event that is done is kept for {settings.PROVIDER_PAYLOAD_DAYS} days." in text_of(
        boss, page("providerevent", event.pk)
    )


def test_no_page_shows_a_lease_or_the_address_of_somebodys_own_page(sales: Sales, boss: Client) -> None:
    claimed = ProviderEvent.objects.get(status="claimed")
    for url in (page("providerevent", claimed.pk), page("order", sales.paid.pk), page("paymentattempt", sales.paid.paid_attempt_id)):
        html = boss.get(url).content.decode()
        assert claimed.lease not in html, url
        assert "/payment/return/" not in html, url


def test_an_address_of_the_customers_own_is_shown(house: House, boss: Client) -> None:
    order = orders.order_of(house.account, success_url="https://shop.example.com/thanks", placed_by=house.boss.pk)
    text = text_of(boss, page("order", order.pk))
    assert "https://shop.example.com/thanks" in text
    assert "oscar@example.com" in text


def test_dj_stripes_keys_have_no_page(boss: Client) -> None:
    assert APIKey not in site._registry
    with pytest.raises(NoReverseMatch):
        reverse("admin:djstripe_apikey_changelist")
    assert boss.get("/admin/djstripe/apikey/").status_code == 404


@pytest.mark.parametrize(
    ("text", "livemode", "url"),
    [
        ("pi_1", True, "https://dashboard.stripe.com/payments/pi_1"),
        ("evt_1", False, "https://dashboard.stripe.com/test/events/evt_1"),
        ("cus_1", False, "https://dashboard.stripe.com/test/customers/cus_1"),
        ('pi_"><b>', False, "https://dashboard.stripe.com/test/payments/pi_%22%3E%3Cb%3E"),
        ("cs_test_1", False, ""),
    ],
)
def test_a_providers_id_leads_to_the_providers_own_page(settings: Settings, *, text: str, livemode: bool, url: str) -> None:
    settings.STRIPE_API_HOST = ""
    html = at_provider(text, provider="stripe", livemode=livemode)
    assert (f'href="{url}"' in html) is bool(url)
    assert ("dashboard.stripe.com" in html) is bool(url)
    assert "<b>" not in html


def test_nothing_leads_to_stripe_where_something_stands_in_for_it_or_another_provider_sold(settings: Settings) -> None:
    settings.STRIPE_API_HOST = "http://127.0.0.1:12111"
    assert "dashboard" not in at_provider("pi_1", provider="stripe", livemode=False)
    settings.STRIPE_API_HOST = ""
    assert "dashboard" not in at_provider("pi_1", provider="creem", livemode=False)


def test_the_dashboard_shows_money_events_and_orders_that_wait(sales: Sales, boss: Client) -> None:
    text = text_of(boss, "/admin/")
    assert "Money to look at 6+" in text
    assert "Events failed or stuck 2" in text
    assert "Pending over an hour" in text
    assert "Nobody has left a page unpaid." in text
    orders.order_of(sales.account, now=clock.now() - timedelta(hours=2))
    assert "Nobody has left a page unpaid." not in text_of(boss, "/admin/")
    html = boss.get("/admin/").content.decode()
    for url in ("paymentreview/?state=open", "providerevent/?state=stuck", "order/?state=pending_long"):
        assert f"/admin/payments/{url}" in html


def test_the_dashboard_is_calm_where_nothing_waits(house: House, boss: Client) -> None:
    text = text_of(boss, "/admin/")
    assert "Money to look at none" in text
    assert "Events failed or stuck none" in text
    assert "Bought today nothing yet" in text


def test_the_dashboard_sums_todays_purchases_by_currency(house: House, boss: Client, settings: Settings) -> None:
    settings.PURCHASE_CURRENCIES = {"USD": "100", "JPY": "150"}
    orders.paid_order(house.account)
    orders.paid_order(house.account, nanos=5 * orders.USD)
    orders.paid_order(house.account, currency="JPY")
    orders.paid_order(house.account, now=clock.now() - timedelta(days=1))
    orders.declined_order(house.account)
    assert "Bought today 1 for 3000 JPY, 2 for 25.00 USD" in text_of(boss, "/admin/")


def test_the_accounts_page_shows_its_latest_orders(sales: Sales, boss: Client) -> None:
    url = f"/admin/accounts/account/{sales.account.pk}/change/"
    text = text_of(boss, url)
    assert "Latest orders" in text
    assert f"{sales.waiting.public_id[:12]} pending 20.00 USD" in text
    assert f"/admin/payments/order/?account__id__exact={sales.account.pk}" in boss.get(url).content.decode()
