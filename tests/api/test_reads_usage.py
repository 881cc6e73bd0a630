"""Recent requests and single events, as clients read them."""

import base64
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import DjangoAssertNumQueries

from core.api.pagination import encode_cursor
from tests import actors
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.spending import adjust, price, report

RECENT = "/api-account/user/usage/recent"
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
EMPTY = {"items": [], "has_more": False, "next_cursor": ""}


@pytest.fixture
def caller(alice: Person) -> Person:
    """Alice, with a priced model to call."""
    price(since=NOON - timedelta(days=1))
    return alice


def test_without_usage_the_answer_is_empty_and_never_404(api: Api, alice: Person) -> None:
    answer = api.get(RECENT, alice)
    assert (answer.status_code, answer.json()) == (200, EMPTY)


def test_a_call_has_every_field(api: Api, caller: Person) -> None:
    key = actors.customer_key(caller)
    tokens = {"output_tokens": 7, "cache_read_tokens": 4, "cache_write_tokens": 3, "reasoning_tokens": 2}
    report(caller.account, "call-1", now=NOON, api_key=key.key.public_id, **tokens)
    report(caller.account, "call-2", now=NOON + timedelta(seconds=1), status="failed", input_tokens=0)
    assert api.get(RECENT, caller).json() == {
        "items": [
            {
                "id": "call-2",
                "created_at": "2026-03-10T12:00:01Z",
                "model_id": "gpt-4o",
                "model_name": "GPT-4O",
                "api_key_name": "",
                "total_tokens": 0,
                "cost_str": "0.00",
                "status": "failed",
            },
            {
                "id": "call-1",
                "created_at": "2026-03-10T12:00:00Z",
                "model_id": "gpt-4o",
                "model_name": "GPT-4O",
                "api_key_name": "tests",
                "total_tokens": 1_016,
                # 1,000 x $2.50 + (7 + 2) x $10.00 + 4 x $1.25, per million.
                "cost_str": "0.002595",
                "status": "success",
            },
        ],
        "next_cursor": "",
        "has_more": False,
    }


def test_a_cursor_walked_while_calls_arrive_shows_each_that_was_there_once(api: Api, caller: Person) -> None:
    there = [f"old-{number}" for number in range(12)]
    report(caller.account, *there, now=NOON)
    seen: list[str] = []
    cursor = ""
    for turn in range(100):
        page = api.get(f"{RECENT}?limit=5&cursor={cursor}", caller).json()
        seen += [item["id"] for item in page["items"]]
        cursor = page["next_cursor"]
        assert page["has_more"] is bool(cursor)
        if not cursor:
            break
        report(caller.account, f"new-{turn}", now=NOON + timedelta(seconds=turn))
    assert sorted(seen) == sorted(there)


def test_the_default_page_is_twenty_and_the_largest_a_hundred(api: Api, caller: Person) -> None:
    report(caller.account, *(f"call-{number:03}" for number in range(101)), now=NOON)
    assert len(api.get(RECENT, caller).json()["items"]) == 20
    page = api.get(f"{RECENT}?limit=100", caller).json()
    assert (len(page["items"]), page["has_more"]) == (100, True)


def test_a_page_costs_a_few_queries_whatever_its_length(
    api: Api, caller: Person, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    report(caller.account, *(f"call-{number}" for number in range(100)), now=NOON)
    with django_assert_max_num_queries(4):
        assert len(api.get(f"{RECENT}?limit=100", caller).json()["items"]) == 100


@pytest.mark.parametrize("query", ["limit=0", "limit=101", "limit=abc", "limit=-5", "limit=%00"])
def test_a_limit_that_is_none_is_a_400(api: Api, alice: Person, query: str) -> None:
    answer = api.get(f"{RECENT}?{query}", alice)
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "limit")


def test_a_forged_or_foreign_cursor_is_a_400(api: Api, cast: Cast) -> None:
    price(since=NOON - timedelta(days=1))
    for person in (cast.alice, cast.charlie):
        report(person.account, "a", "b", "c", now=NOON)
    own = api.get(f"{RECENT}?limit=1", cast.alice).json()["next_cursor"]
    foreign = api.get(f"{RECENT}?limit=1", cast.charlie).json()["next_cursor"]
    elsewhere = encode_cursor((1, 1), account_id=cast.alice.account.pk, endpoint="ledger")
    plain = base64.urlsafe_b64encode(b"[1773144000000000,1]").decode()
    for cursor in (foreign, elsewhere, plain, own[:-1], own + "x", "x", "%00", "é", ":", "{}", "9" * 5_000):
        answer = api.get(f"{RECENT}?cursor={cursor}", cast.alice)
        assert (answer.status_code, answer.json()["code"]) == (400, "invalid_cursor")
    assert api.get(f"{RECENT}?limit=1&cursor={own}", cast.alice).json()["items"][0]["id"] == "b"


def test_a_cursor_goes_on_for_whoever_reads_the_account(api: Api, cast: Cast) -> None:
    price(since=NOON - timedelta(days=1))
    report(cast.alice.account, "a", "b", now=NOON)
    cursor = api.get(f"{RECENT}?limit=1", cast.alice).json()["next_cursor"]
    named = cast.alice.account.public_id
    for answer in (
        api.get(f"{RECENT}?cursor={cursor}", actors.customer_key(cast.alice)),
        api.get(f"{RECENT}?cursor={cursor}&account={named}", actors.platform_key()),
        api.get(f"{RECENT}?cursor={cursor}", cast.bob, x_account=named),
    ):
        assert [item["id"] for item in answer.json()["items"]] == ["a"]


def test_usage_is_read_with_its_scope_by_its_own_people(api: Api, cast: Cast) -> None:
    price(since=NOON - timedelta(days=1))
    report(cast.alice.account, "call-1", now=NOON)
    named = cast.alice.account.public_id
    for path in (RECENT, "/v1/usage/events/call-1"):
        assert api.get(path).status_code == 401
        assert api.get(path, actors.customer_key(cast.alice, ["billing:read"])).json()["code"] == "missing_scope"
        assert api.get(path, cast.charlie, x_account=named).status_code == 404
        assert api.get(f"{path}?account={named}", actors.customer_key(cast.charlie)).status_code == 404
        assert api.get(path, actors.platform_key(["usage:read"])).json()["code"] == "account_required"
        assert api.get(path, cast.bob, x_account=named).status_code == 200
        assert api.get(path, actors.customer_key(cast.alice, ["usage:read"])).status_code == 200


def test_one_event_is_read_by_the_id_it_was_reported_under(api: Api, caller: Person) -> None:
    adjust(caller.account, 20_000_000_000, NOON)
    key = actors.customer_key(caller)
    said = {"metadata": {"team": "red"}, "endpoint": "/v1/chat/completions", "occurred_at": "2026-03-10T11:59:00Z"}
    version = price("gpt-4o-mini", since=NOON - timedelta(days=1))
    report(caller.account, "run/7#1", now=NOON, model="gpt-4o-mini", api_key=key.key.public_id, output_tokens=9, **said)
    assert api.get("/v1/usage/events/run%2F7%231", caller).json() == {
        "event_id": "run/7#1",
        "account": caller.account.public_id,
        "api_key": key.key.public_id,
        "api_key_name": "tests",
        "model": "gpt-4o-mini",
        "status": "success",
        "call_status": "success",
        "input_tokens": 1_000,
        "output_tokens": 9,
        "cache_read_tokens": 0,
        "cache_write_tokens": 0,
        "reasoning_tokens": 0,
        "total_tokens": 1_009,
        "requests": 1,
        "images": 0,
        "seconds": 0,
        "price_version": version.pk,
        "hold": None,
        "flag": None,
        "cost_nanos": "2590000",
        "cost_usd": "0.00259",
        "charged_nanos": "2590000",
        "charged_usd": "0.00259",
        "absorbed_nanos": "0",
        "refunded_nanos": "0",
        "refunded_usd": "0.00",
        "endpoint": "/v1/chat/completions",
        "metadata": {"team": "red"},
        "occurred_at": "2026-03-10T11:59:00Z",
        "created_at": "2026-03-10T12:00:00Z",
    }


@pytest.mark.parametrize("event_id", ["call-2", "CALL-1", "call-1%00", "%F0%9F%92%B8", "x" * 3_000])
def test_an_event_that_is_none_of_the_accounts_is_404(api: Api, cast: Cast, event_id: str) -> None:
    price(since=NOON - timedelta(days=1))
    report(cast.alice.account, "call-1", now=NOON)
    report(cast.charlie.account, "call-2", now=NOON)
    answer = api.get(f"/v1/usage/events/{event_id}", cast.alice)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
