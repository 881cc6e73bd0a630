"""Rates: reached on purpose, each test with people and addresses of its own."""

import secrets

import pytest
from django.conf import settings as django_settings
from pytest_django import DjangoAssertNumQueries, Settings

from accounts.models import User
from core.api.throttling import parse_rate, seconds_to_wait
from core.counters import count_in_window
from tests.actors import PASSWORD, Person, customer_key, platform_key
from tests.conftest import Api

pytestmark = pytest.mark.django_db


@pytest.fixture
def limit(settings: Settings) -> "Limit":
    return Limit(settings)


class Limit:
    """Sets the rates of DEFAULT_THROTTLE_RATES for one test."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings

    def __call__(self, **rates: str) -> None:
        every = django_settings.REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"] | rates
        self.settings.REST_FRAMEWORK = django_settings.REST_FRAMEWORK | {"DEFAULT_THROTTLE_RATES": every}


def fresh_email() -> str:
    return f"{secrets.token_hex(8)}@example.com"


def fresh_address() -> str:
    return f"10.{secrets.randbelow(256)}.{secrets.randbelow(256)}.{secrets.randbelow(256)}"


@pytest.mark.parametrize(
    ("scope", "path"),
    [("login", "/auth/token"), ("register", "/auth/register"), ("reset", "/auth/password/reset"), ("reset", "/auth/verify-email")],
)
def test_attempts_for_one_email_are_limited_from_wherever(api: Api, limit: Limit, scope: str, path: str) -> None:
    limit(**{scope: "2/hour"})
    email = fresh_email()
    body = {"email": email, "password": "wrong"} if scope != "reset" else {"email": email}

    statuses = [api.client.post(path, body, "application/json", REMOTE_ADDR=fresh_address()).status_code for _ in range(3)]
    other_case = api.post(path, body | {"email": email.upper()})

    assert 429 not in statuses[:2]
    assert statuses[2] == 429
    assert other_case.status_code == 429
    assert other_case.json()["code"] == "rate_limited"
    assert 0 < int(other_case["Retry-After"]) <= 3600
    assert other_case.json()["retry_after"] == int(other_case["Retry-After"])
    assert api.post(path, body | {"email": fresh_email()}).status_code != 429
    assert not User.objects.filter(email=email).exists()


@pytest.mark.parametrize(
    ("scope", "path"),
    [("login_address", "/auth/token"), ("register_address", "/auth/register"), ("reset_address", "/auth/password/reset")],
)
def test_attempts_from_one_address_are_limited_for_whomever(api: Api, limit: Limit, scope: str, path: str) -> None:
    limit(**{scope: "2/hour"})
    address = fresh_address()

    answers = [
        api.client.post(path, {"email": fresh_email(), "password": "wrong"}, "application/json", REMOTE_ADDR=address) for _ in range(3)
    ]

    assert [answer.status_code == 429 for answer in answers] == [False, False, True]
    assert answers[2].json()["code"] == "rate_limited"
    assert int(answers[2]["Retry-After"]) > 0


def test_a_forwarded_address_is_believed_only_behind_known_proxies(api: Api, limit: Limit) -> None:
    limit(login_address="1/hour")
    address = fresh_address()

    statuses = [
        api.client.post(
            "/auth/token",
            {"email": fresh_email(), "password": "x"},
            "application/json",
            REMOTE_ADDR=address,
            headers={"x-forwarded-for": fresh_address()},
        ).status_code
        for _ in range(2)
    ]

    assert statuses == [401, 429]


def test_reads_and_writes_of_a_token_are_counted_apart(api: Api, limit: Limit, alice: Person) -> None:
    limit(read="2/hour", write="1/hour")

    reads = [api.get("/v1/account", alice).status_code for _ in range(3)]
    writes = [api.patch("/v1/account", {"name": "A"}, alice).status_code for _ in range(2)]

    assert reads == [200, 200, 429]
    assert writes == [200, 429]


def test_each_token_has_its_own_count(api: Api, limit: Limit, alice: Person) -> None:
    limit(read="1/hour")

    assert [api.get("/v1/account", by).status_code for by in (alice, customer_key(alice), customer_key(alice))] == [200] * 3


def test_platform_keys_have_a_rate_of_their_own(api: Api, limit: Limit, alice: Person) -> None:
    limit(read="1/hour", platform="")
    key, path = platform_key(), f"/v1/account?account={alice.account.public_id}"
    assert [api.get(path, key).status_code for _ in range(3)] == [200] * 3

    limit(platform="1/hour")
    assert [api.get(path, key).status_code for _ in range(2)] == [200, 429]


def test_statements_of_a_token_are_counted_apart_gateways_too(api: Api, limit: Limit, alice: Person) -> None:
    limit(statement="1/hour", platform="")
    path, key = f"/v1/statement?account={alice.account.public_id}", platform_key()
    for by in (alice, key):
        answers = [api.get(path, by) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [200, 429]
        assert answers[1].json()["code"] == "rate_limited"
        assert api.get(f"/v1/balance?account={alice.account.public_id}", by).status_code == 200


def test_a_refused_login_costs_no_query(api: Api, limit: Limit, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    limit(login="1/hour")
    body = {"email": fresh_email(), "password": PASSWORD}
    api.post("/auth/token", body)

    with django_assert_num_queries(0):
        assert api.post("/auth/token", body).status_code == 429


def test_without_redis_requests_go_on(settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    assert count_in_window("anything", 60) == (0, 0.0)
    assert seconds_to_wait("read", "anybody") == 0
    assert "Redis does not answer" in caplog.text


@pytest.mark.parametrize(("text", "rate"), [("10/min", (10, 60)), ("5/h", (5, 3600)), ("1/day", (1, 86_400)), ("7/s", (7, 1))])
def test_a_rate_is_read(text: str, rate: tuple[int, int]) -> None:
    parsed = parse_rate(text)

    assert parsed is not None
    assert (parsed.count, parsed.seconds) == rate


def test_an_empty_rate_is_no_limit() -> None:
    assert parse_rate("") is None
