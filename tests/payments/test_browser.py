"""A person at the checkout, in a real browser: what they read, where they end up, and what is credited then."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Self, TypeVar
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright
from pytest_django import Settings
from pytest_django.live_server_helper import LiveServer

from accounts.models import Account
from payments.transitions import OrderStatus
from tests import factories
from tests.payments.world import Shop, assert_credited_once, assert_nothing_credited

CHROMIUM: Final = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ALONE: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
)
"""It runs as whoever runs the tests, also as root, and speaks to nobody but the pages it is shown."""
PATIENCE_MS: Final = 30_000
CARDS: Final = {
    "good": "4242 4242 4242 4242",
    "declined": "4000 0000 0000 0002",
    "insufficient": "4000 0000 0000 9995",
    "challenged": "4000 0025 0000 3155",
}

Seen = TypeVar("Seen")

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium, and these tests run"),
]


class Person:
    """
    Somebody with a browser. Playwright keeps an event loop in its thread, where Django's ORM refuses to work: so it has a thread
    of its own, and `do` sends work there.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="person")

    def __enter__(self) -> Self:
        self._thread.submit(self._start).result()
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.submit(self._stop).result()
        self._thread.shutdown()

    def _start(self) -> None:
        self._playwright = sync_playwright().start()
        self._browser: Browser = self._playwright.chromium.launch(executable_path=CHROMIUM, args=list(ALONE))

    def _stop(self) -> None:
        self._browser.close()
        self._playwright.stop()

    def do(self, act: Callable[[Page], Seen]) -> Seen:
        """Do something in a fresh window; what it came to. Fails if a page reports an error, or asks another machine for something."""
        return self._thread.submit(self._in_a_window, act).result()

    def _in_a_window(self, act: Callable[[Page], Seen]) -> Seen:
        context: BrowserContext = self._browser.new_context(locale="en-US")
        context.set_default_timeout(PATIENCE_MS)
        asked: set[str | None] = set()
        errors: list[str] = []
        page = context.new_page()
        page.on("request", lambda request: asked.add(urlsplit(request.url).hostname))
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        try:
            came_to = act(page)
        finally:
            context.close()
        assert asked <= {"127.0.0.1", "localhost"}
        assert errors == []
        return came_to


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with Person() as person:
        yield person


@pytest.fixture
def shop(live_shop: Shop, live_server: LiveServer, settings: Settings) -> Shop:
    """Our own return page is on the live server."""
    settings.PUBLIC_URL = live_server.url
    return live_shop


@pytest.fixture
def account(shop: Shop) -> Account:
    return factories.make_account()


def fill_in(page: Page, card: str) -> None:
    """The form, by the names that a person reads beside the inputs."""
    page.get_by_label("Card number").fill(CARDS[card])
    page.get_by_label("Expiry (MM/YY)").fill("12/34")
    page.get_by_label("Security code (CVC)").fill("739")
    page.get_by_label("Name on card").fill("Ada Lovelace")


def press_pay(page: Page) -> None:
    page.get_by_role("button", name="Pay $20.00").click()


def expect_title(page: Page, title: str) -> None:
    """The page says so, by now or when it has looked again by itself."""
    expect(page.get_by_role("heading", level=1)).to_have_text(title, timeout=PATIENCE_MS)


def test_a_card_that_is_accepted_leads_to_our_page_which_says_paid(shop: Shop, account: Account, person: Person) -> None:
    link = shop.open(account)

    our_page = shop.order(link).success_url

    def buy(page: Page) -> str:
        page.goto(link.checkout_url)
        expect(page.get_by_text("Sandbox: no money moves")).to_be_visible()
        expect(page.get_by_role("row", name="Total").get_by_text("$20.00")).to_be_visible()
        expect(page.get_by_label("E-mail")).to_have_value(account.email)
        fill_in(page, "good")
        press_pay(page)
        expect_title(page, "Paid")
        expect(page.get_by_role("row", name="Total").get_by_text("20.00 USD")).to_be_visible()
        return page.url

    assert urlsplit(person.do(buy))._replace(query="").geturl() == our_page
    assert_credited_once(link, account)


def test_a_declined_card_is_told_why_and_another_card_works(shop: Shop, account: Account, person: Person) -> None:
    link = shop.open(account)

    def decline(page: Page) -> str | None:
        page.goto(link.checkout_url)
        fill_in(page, "insufficient")
        press_pay(page)
        return page.get_by_role("alert").text_content()

    assert person.do(decline) == "Your card has insufficient funds."
    assert shop.stripe.drain()
    assert shop.order(link).failure_reason == "Your card has insufficient funds."
    assert_nothing_credited(account)

    def buy(page: Page) -> None:
        page.goto(link.checkout_url)
        fill_in(page, "declined")
        press_pay(page)
        expect(page.get_by_role("alert")).to_have_text("Your card was declined.")
        fill_in(page, "good")
        press_pay(page)
        expect_title(page, "Paid")

    person.do(buy)
    assert_credited_once(link, account)


def test_a_card_that_the_bank_asks_about_is_paid_when_the_person_confirms(shop: Shop, account: Account, person: Person) -> None:
    link = shop.open(account)

    def buy(page: Page) -> None:
        page.goto(link.checkout_url)
        fill_in(page, "challenged")
        press_pay(page)
        expect_title(page, "Confirm with your bank")
        expect(page.get_by_text("$20.00")).to_be_visible()
        page.get_by_role("button", name="Complete").click()
        expect_title(page, "Paid")

    person.do(buy)
    assert_credited_once(link, account)


def test_a_card_that_the_bank_asks_about_is_not_paid_when_the_person_refuses(shop: Shop, account: Account, person: Person) -> None:
    link = shop.open(account)

    def refuse(page: Page) -> str | None:
        page.goto(link.checkout_url)
        fill_in(page, "challenged")
        press_pay(page)
        page.get_by_role("button", name="Fail").click()
        expect(page.get_by_label("Card number")).to_be_visible()
        return page.get_by_role("alert").text_content()

    reason = person.do(refuse)
    assert shop.stripe.drain()
    assert (shop.order(link).status, shop.order(link).failure_reason) == (OrderStatus.PENDING, reason)
    assert_nothing_credited(account)


def test_the_way_back_leads_to_our_page_which_says_not_paid(shop: Shop, account: Account, person: Person) -> None:
    link = shop.open(account)

    def go_back(page: Page) -> None:
        page.goto(link.checkout_url)
        page.get_by_role("link", name="Back").click()
        expect_title(page, "Not paid")

    person.do(go_back)
    assert shop.order(link).status == OrderStatus.PENDING
    assert_nothing_credited(account)


def test_a_test_card_of_the_list_is_filled_in_by_a_click_and_sent_by_the_enter_key(shop: Shop, account: Account, person: Person) -> None:
    link = shop.open(account)

    def buy(page: Page) -> None:
        page.goto(link.checkout_url)
        page.get_by_role("link", name=CARDS["good"]).click()
        expect(page.get_by_label("Card number")).not_to_be_empty()
        page.get_by_label("Name on card").press("Enter")
        expect_title(page, "Paid")

    person.do(buy)
    assert_credited_once(link, account)


def test_the_page_to_return_to_says_nothing_is_paid_before_the_provider_has_told_us(shop: Shop, account: Account, person: Person) -> None:
    shop.stripe.hold()
    link = shop.open(account)

    def buy(page: Page) -> None:
        page.goto(link.checkout_url)
        fill_in(page, "good")
        press_pay(page)
        expect_title(page, "Waiting for the bank")

    person.do(buy)
    assert_nothing_credited(account)
    shop.stripe.release()
    assert shop.stripe.drain()
    our_page = shop.order(link).success_url

    def look_again(page: Page) -> None:
        page.goto(our_page)
        expect_title(page, "Paid")

    person.do(look_again)
    assert_credited_once(link, account)
