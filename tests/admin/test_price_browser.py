"""An operator imports a price list in a real browser: the dialog sends the file, holds it, and makes drafts at the second press."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect
from pytest_django.live_server_helper import LiveServer

from tests.actors import PASSWORD
from tests.admin.house import House, forget, make_house
from tests.payments.test_browser import CHROMIUM, Person
from usage.models import PriceVersion

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine: apt-get install chromium, and these tests run"),
]
REASON = "The list of this month."
LIST = """{"gpt-4o": {"input_cost_per_token": 3e-06, "output_cost_per_token": 1e-05},
    "new-1": {"input_cost_per_token": 1e-06, "input_cost_per_token_above_128k_tokens": 2e-06},
    "free-1": {"input_cost_per_token": 0}}"""


@pytest.fixture
def books(transactional_db: None) -> Iterator[House]:
    yield make_house()
    forget()


@pytest.fixture(scope="module")
def person() -> Iterator[Person]:
    with Person() as person:
        yield person


def log_in(page: Page, live_server: LiveServer, books: House) -> None:
    page.route("**/favicon.ico", lambda route: route.fulfill(status=204))
    page.goto(f"{live_server.url}/admin/usage/priceversion/")
    page.get_by_role("textbox").first.fill(books.boss.email)
    page.locator("input[type=password]").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/login/" not in url)


def test_a_list_is_chosen_once_shown_and_imported_at_the_second_press(
    person: Person, live_server: LiveServer, books: House, tmp_path: Path
) -> None:
    file = tmp_path / "prices.json"
    file.write_text(LIST)

    def import_it(page: Page) -> None:
        log_in(page, live_server, books)
        page.locator("a:visible", has_text="Import a price list").first.click()
        page.set_input_files("#dialog input[type=file]", str(file))
        page.locator("#dialog textarea").fill(REASON)
        page.locator("#dialog").get_by_role("button", name="Import").click()
        expect(page.locator("#dialog")).to_contain_text("1 new, 1 changed, 0 unchanged, 1 refused; 2 drafts")
        page.locator("#dialog").get_by_role("button", name="Import").click()
        page.wait_for_url("**/priceversion/?state=draft")
        expect(page.get_by_text("2 drafts made.")).to_be_visible()

    person.do(import_it)
    assert set(PriceVersion.objects.filter(provider_cost__isnull=False).values_list("model__code", flat=True)) == {"gpt-4o", "new-1"}
