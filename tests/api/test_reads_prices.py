"""The price book in force, and what a call would cost."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from core import clock
from core.api.times import iso_z
from credits.models import LedgerEntry
from tests import actors
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.spending import GPT_4O, price
from usage.models import AiModel, UsageEvent
from usage.rating import FailedPolicy, Prices
from usage.services.multipliers import Scope, activate_multiplier, create_multiplier_draft
from usage.services.price_book import PRICE_BOOK
from usage.services.prices import ACTIVATION_LEAD, activate_price_version, create_draft

MODELS = "/v1/models"
ESTIMATE = "/v1/estimate"
PER_UNIT = Prices(0, 0, 0, 0, 0, 1_000_000, 40_000_000, 100_000, 15_000)
PER_TOKEN_FIELDS = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens", "reasoning_tokens")
QUANTITIES = (*PER_TOKEN_FIELDS, "requests", "images", "seconds")


def test_a_model_shows_its_prices_in_nanos_and_in_dollars(api: Api, alice: Person) -> None:
    version = price("gpt-4o")
    (shown,) = api.get(MODELS, alice).json()["items"]
    assert shown == {
        "code": "gpt-4o",
        "name": "GPT-4O",
        "provider": "openai",
        "price_version": version.pk,
        "effective_at": iso_z(version.effective_at),
        "per_million_tokens": {
            "input": {"nanos": "2500000000", "usd": "2.50"},
            "output": {"nanos": "10000000000", "usd": "10.00"},
            "cache_read": {"nanos": "1250000000", "usd": "1.25"},
            "cache_write": {"nanos": "0", "usd": "0.00"},
            "reasoning": {"nanos": "10000000000", "usd": "10.00"},
        },
        "per_unit": {
            "request": {"nanos": "0", "usd": "0.00"},
            "image": {"nanos": "0", "usd": "0.00"},
            "second": {"nanos": "0", "usd": "0.00"},
        },
        "multiplier_bp": 10_000,
        "failed_policy": "reported",
    }


def test_the_price_book_lists_what_is_in_force_and_listed(api: Api, alice: Person) -> None:
    price("b-model")
    price("a-model")
    price("unlisted", is_listed=False)
    price("tomorrow", since=clock.now() + timedelta(days=1))
    AiModel.objects.create(code="unpriced", name="Unpriced")
    later = price("a-model", PER_UNIT)
    shown = api.get(MODELS, alice).json()["items"]
    assert [model["code"] for model in shown] == ["a-model", "b-model"]
    assert shown[0]["price_version"] != later.pk


def test_an_empty_price_book_is_an_empty_list(api: Api, alice: Person) -> None:
    assert api.get(MODELS, alice).json() == {"items": [], "next_cursor": "", "has_more": False}


def test_the_price_book_is_read_in_pages_each_model_once(api: Api, alice: Person) -> None:
    for code in ("c", "a", "E", "b", "d"):
        price(code)
    price("bb", is_listed=False)
    pages: list[list[str]] = []
    cursor = ""
    while not pages or cursor:
        page = api.get(f"{MODELS}?limit=2&cursor={cursor}", alice).json()
        cursor = page["next_cursor"]
        assert page["has_more"] is bool(cursor)
        pages.append([model["code"] for model in page["items"]])
    whole = [model["code"] for model in api.get(MODELS, alice).json()["items"]]
    assert [len(page) for page in pages] == [2, 2, 1]
    assert [code for page in pages for code in page] == whole
    assert set(whole) == set("abcdE")


def test_one_model_can_be_asked_for(api: Api, alice: Person) -> None:
    for code in ("one", "one-mini"):
        price(code)
    price("secret", is_listed=False)
    for code, shown in (("one", ["one"]), ("none", []), ("secret", []), ("a%00", [])):
        assert [model["code"] for model in api.get(f"{MODELS}?model={code}", alice).json()["items"]] == shown


@pytest.mark.parametrize(("query", "code"), [("limit=0", "out_of_range"), ("limit=1001", "out_of_range"), ("cursor=x", "invalid_cursor")])
def test_a_page_that_is_none_is_refused(api: Api, alice: Person, query: str, code: str) -> None:
    answer = api.get(f"{MODELS}?{query}", alice)
    assert (answer.status_code, answer.json()["code"]) == (400, code)


def test_a_model_says_what_a_failed_call_costs(api: Api, alice: Person) -> None:
    model = AiModel.objects.create(code="flaky", name="Flaky")
    draft = create_draft(model=model, prices=GPT_4O, effective_at=clock.now(), now=clock.now(), failed_policy=FailedPolicy.INPUT_ONLY)
    activate_price_version(version_id=draft.pk, actor_id=None, reason="Tests.", now=clock.now())
    assert [model["failed_policy"] for model in api.get(MODELS, alice).json()["items"]] == ["input_only"]


def test_the_price_book_is_read_by_whoever_may_read_usage(api: Api, alice: Person) -> None:
    assert api.get(MODELS).status_code == 401
    assert api.get(MODELS, actors.customer_key(alice, ["billing:read"])).json()["code"] == "missing_scope"
    for by in (alice, actors.customer_key(alice, ["usage:read"]), actors.platform_key(["usage:read"])):
        assert api.get(MODELS, by).status_code == 200


def test_an_estimate_is_what_the_call_would_be_charged(api: Api, alice: Person) -> None:
    version = price("gpt-4o")
    asked = {
        "model": "gpt-4o",
        "input_tokens": 1_000,
        "output_tokens": 7,
        "cache_read_tokens": 4,
        "reasoning_tokens": 2,
    }
    answer = api.post(ESTIMATE, asked, alice)
    assert answer.status_code == 200
    assert answer.json() == {
        "model": "gpt-4o",
        "price_version": version.pk,
        "multiplier_bp": 10_000,
        "customer_multiplier_bp": 10_000,
        "cost_nanos": "2595000",
        "cost_usd": "0.002595",
    }
    assert not UsageEvent.objects.filter(account=alice.account).exists()
    assert not LedgerEntry.objects.filter(account=alice.account).exists()


def test_an_estimate_is_at_what_the_account_pays_of_the_price(api: Api, alice: Person) -> None:
    version, then = price("gpt-4o", replace(GPT_4O, multiplier_bp=20_000)), clock.now() - timedelta(hours=1)
    row = create_multiplier_draft(scope=Scope(alice.account.pk), multiplier_bp=9_000, effective_at=then, now=then)
    activate_multiplier(multiplier_id=row.pk, actor_id=None, reason="Tests.", now=then - ACTIVATION_LEAD)
    PRICE_BOOK.forget()
    answer = api.post(ESTIMATE, {"model": "gpt-4o", "input_tokens": 1_000}, alice).json()
    assert answer == {
        "model": "gpt-4o",
        "price_version": version.pk,
        "multiplier_bp": 20_000,
        "customer_multiplier_bp": 9_000,
        "cost_nanos": "4500000",
        "cost_usd": "0.0045",
    }


def test_units_are_priced_and_a_request_counts_one_where_it_is_not_given(api: Api, alice: Person) -> None:
    price("dall-e", PER_UNIT)
    for asked, nanos in (
        ({}, 1_500_000),
        ({"requests": 0}, 0),
        ({"images": 2, "seconds": 3}, 1_500_000 + 120_000_000 + 450_000),
    ):
        assert api.post(ESTIMATE, {"model": "dall-e"} | asked, alice).json()["cost_nanos"] == str(nanos)


def test_a_model_without_a_price_is_refused_and_never_free(api: Api, alice: Person) -> None:
    AiModel.objects.create(code="unpriced", name="Unpriced")
    price("tomorrow", since=clock.now() + timedelta(days=1))
    PRICE_BOOK.forget()
    for model, code in (("nonesuch", "unknown_model"), ("unpriced", "unpriced_model"), ("tomorrow", "unpriced_model")):
        answer = api.post(ESTIMATE, {"model": model, "input_tokens": 1}, alice)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert answer.json()["errors"][0]["field"] == "model"


def test_an_estimate_beyond_a_million_dollars_is_refused(api: Api, alice: Person) -> None:
    price("gold", Prices(10**15, 0, 0, 0, 0, 0, 0, 0, 10_000))
    answer = api.post(ESTIMATE, {"model": "gold", "input_tokens": 1_000_001}, alice)
    assert (answer.status_code, answer.json()["code"]) == (400, "cost_out_of_range")
    assert api.post(ESTIMATE, {"model": "gold", "input_tokens": 1_000_000}, alice).json()["cost_usd"] == "1000000.00"


@pytest.mark.parametrize("field", QUANTITIES)
@pytest.mark.parametrize("value", [-1, 2**31 + 1, 2**62, 1.5, "many", None, True, [1], {}])
def test_a_quantity_that_is_none_is_a_400_that_names_it(api: Api, alice: Person, field: str, value: object) -> None:
    price("gpt-4o")
    answer = api.post(ESTIMATE, {"model": "gpt-4o", field: value}, alice)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_the_largest_quantity_is_an_events(api: Api, alice: Person) -> None:
    price("gpt-4o")
    answer = api.post(ESTIMATE, {"model": "gpt-4o", "input_tokens": 2**31}, alice)
    assert answer.json()["cost_nanos"] == str(2**31 * 2_500)


def test_a_misspelt_class_of_tokens_is_refused_and_not_left_out(api: Api, alice: Person) -> None:
    price("gpt-4o")
    answer = api.post(ESTIMATE, {"model": "gpt-4o", "completion_tokens": 5}, alice)
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["completion_tokens"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"5",
        b"null",
        b'{"model": ""}',
        b'{"model": 5e400}',
        b'{"input_tokens": 1}',
        b'{"model": "a\\u0000"}',
        b'{"model": "\xff"}',
        b'{"model": "gpt-4o", "input_tokens": NaN}',
        b"{",
    ],
)
def test_a_body_that_is_no_call_is_a_400(api: Api, alice: Person, body: bytes) -> None:
    price("gpt-4o")
    answer = api.post(ESTIMATE, body, alice)
    assert answer.status_code == 400
    assert answer.headers["Content-Type"] == "application/problem+json"


def test_an_estimate_is_for_an_account_of_the_callers(api: Api, cast: Cast) -> None:
    price("gpt-4o")
    named = cast.alice.account.public_id
    asked: dict[str, Any] = {"model": "gpt-4o", "input_tokens": 1}
    assert api.post(ESTIMATE, asked).status_code == 401
    assert api.post(ESTIMATE, asked, actors.customer_key(cast.alice, ["billing:read"])).status_code == 403
    platform = actors.platform_key(["usage:read"])
    assert api.post(ESTIMATE, asked, platform).json()["code"] == "account_required"
    assert api.post(ESTIMATE, asked | {"account": named}, platform).status_code == 200
    assert api.post(ESTIMATE, asked | {"account": "0" * 32}, platform).status_code == 404
    assert api.post(ESTIMATE, asked | {"account": named}, cast.charlie).status_code == 404
    assert api.post(ESTIMATE, asked | {"account": named}, cast.bob).status_code == 200


def test_a_price_is_what_the_price_book_says(api: Api, alice: Person) -> None:
    price("gpt-4o", GPT_4O)
    (shown,) = api.get(MODELS, alice).json()["items"]
    estimated = api.post(ESTIMATE, {"model": "gpt-4o", "input_tokens": 1_000_000}, alice).json()
    assert estimated["cost_nanos"] == shown["per_million_tokens"]["input"]["nanos"]
    assert estimated["price_version"] == shown["price_version"]
