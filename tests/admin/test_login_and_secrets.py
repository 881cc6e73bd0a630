"""What must not be had from the console: a way to guess passwords, or to read a hash letter by letter."""

import pytest
from django.test import Client
from pytest_django import Settings

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("page", "lookup"),
    [("user", "password__startswith=m"), ("apikey", "secret_hash__startswith=0"), ("invite", "secret_hash__gte=0")],
)
def test_no_list_is_filtered_by_a_secrets_hash(boss: Client, page: str, lookup: str) -> None:
    assert boss.get(f"/admin/accounts/{page}/?{lookup}").status_code in {302, 400}
    assert boss.get(f"/admin/accounts/{page}/").status_code == 200


@pytest.mark.usefixtures("house")
def test_guessing_at_the_login_page_is_limited(settings: Settings) -> None:
    settings.REST_FRAMEWORK = settings.REST_FRAMEWORK | {
        "DEFAULT_THROTTLE_RATES": settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | {"login": "3/min"}
    }
    guess = {"username": "guessed@example.com", "password": "wrong"}

    answers = [Client().post("/admin/login/", guess).status_code for _ in range(4)]

    assert answers == [200, 200, 200, 429]
    assert Client().post("/admin/login/", guess | {"username": "another@example.com"}).status_code == 200
