"""Refunds over HTTP: by platform keys, once per Idempotency-Key, with what the account has left."""

from collections.abc import Iterator
from typing import Any

import pytest

from accounts.models import Account
from accounts.services.api_keys import IssuedKey
from core import clock
from core.models import AuditRecord, IdempotentRequest
from credits.models import LedgerEntry
from credits.services.grants import void_grant
from tests import actors, factories, spending
from tests.actors import Cast
from tests.conftest import Api
from usage.models import UsageEvent
from usage.services.counting import count_account

COST = 2_500_000
"""1,000 input tokens of gpt-4o, in nanos."""


@pytest.fixture
def account(db: None) -> Iterator[Account]:
    spending.price()
    made = factories.make_account()
    factories.give(made, 10**9)
    spending.report(made, "one", "two")
    factories.end_of_transaction()
    count_account(made.pk)  # A refund does, also one that is refused then.
    yield made
    assert factories.disagreements() == []


class Gateway:
    """A gateway that serves one account, by its platform key."""

    def __init__(self, api: Api, key: IssuedKey, account: Account) -> None:
        self.api, self.key, self.account = api, key, account

    def refund(self, event_id: str = "one", *, key: str | None = None, **said: Any) -> Any:
        headers = {} if key is None else {"idempotency_key": key}
        body = {"account": self.account.public_id} | said
        return self.api.post(f"/v1/usage/events/{event_id}/refund", body, self.key, **headers)

    def event(self, event_id: str = "one") -> dict[str, Any]:
        found: dict[str, Any] = self.api.get(f"/v1/usage/events/{event_id}?account={self.account.public_id}", self.key).json()
        return found


@pytest.fixture
def gateway(api: Api, gateway_key: IssuedKey, account: Account) -> Gateway:
    return Gateway(api, gateway_key, account)


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


def test_a_refund_answers_the_event_its_entry_and_what_is_left(gateway: Gateway) -> None:
    answer = gateway.refund(amount="0.001", reason="It answered nonsense.")
    assert answer.status_code == 200, answer.content
    told = answer.json()
    assert told["event"] == gateway.event()
    assert (told["event"]["charged_nanos"], told["event"]["refunded_nanos"]) == (str(COST), "1000000")
    assert (told["event"]["refunded_usd"], told["event"]["status"]) == ("0.001", "success")
    entry = LedgerEntry.objects.get(kind="usage_refund")
    assert (told["refund"]["id"], told["refund"]["amount_nanos"], told["refund"]["amount_usd"]) == (entry.pk, "1000000", "0.001")
    assert told["compensations"] == []
    assert (answer.headers["X-Credits-Available"], answer.headers["X-Credits-Reserved"]) == ("0.996", "0.00")
    row = AuditRecord.objects.get(act="refund_usage_event")
    assert (row.reason, row.actor_id) == ("It answered nonsense.", None)


def test_without_an_amount_all_that_is_left_goes_back_and_the_event_is_refunded(gateway: Gateway) -> None:
    gateway.refund(amount="0.001")
    told = gateway.refund().json()
    assert (told["refund"]["amount_nanos"], told["event"]["refunded_nanos"]) == (str(COST - 1_000_000), str(COST))
    assert told["event"]["status"] == gateway.event()["status"] == "refunded"
    recent = gateway.api.get(f"/api-account/user/usage/recent?account={gateway.account.public_id}", gateway.key).json()
    assert {item["id"]: item["status"] for item in recent["items"]} == {"one": "refunded", "two": "success"}


def test_a_compensation_grant_is_named(gateway: Gateway) -> None:
    ended = factories.give(gateway.account, COST + 1, priority=-1)
    spending.report(gateway.account, "early")
    void_grant(account_id=gateway.account.pk, grant_id=ended.pk, reason="Tests.", actor_id=None, now=clock.now())
    told = gateway.refund("early").json()
    (made,) = told["compensations"]
    assert (made["compensates"], made["amount_nanos"], made["category"]) == (ended.pk, str(COST), "promo")
    assert made["expires_at"].endswith("Z")


def test_the_same_request_again_has_the_first_answer(gateway: Gateway) -> None:
    first = gateway.refund(key="k", amount="0.001")
    before = factories.books_now()
    again = gateway.refund(key="k", amount="0.001")
    assert (again.status_code, again.json()) == (200, first.json())
    assert (first.headers.get("Idempotent-Replayed"), again.headers["Idempotent-Replayed"]) == (None, "true")
    assert again.headers["X-Credits-Available"] == first.headers["X-Credits-Available"]
    assert factories.books_now() == before
    refused(gateway.refund(key="k", amount="0.002"), 422, "idempotency_key_reused")
    assert factories.books_now() == before
    assert gateway.refund("two", key="k", amount="0.001").json()["event"]["event_id"] == "two"


def test_the_same_request_after_its_answer_was_forgotten_still_gives_back_once(gateway: Gateway) -> None:
    first = gateway.refund(key="k")
    IdempotentRequest.objects.all().delete()
    before = factories.books_now()
    again = gateway.refund(key="k")
    assert (again.json(), again.headers["Idempotent-Replayed"]) == (first.json(), "true")
    assert factories.books_now() == before
    IdempotentRequest.objects.all().delete()
    refused(gateway.refund(key="k", amount="0.001"), 409, "source_key_reused")


def test_requests_without_a_name_are_each_done(gateway: Gateway) -> None:
    for _ in range(2):
        assert gateway.refund(amount="0.001").status_code == 200
    assert gateway.event()["refunded_nanos"] == "2000000"
    refused(gateway.refund(amount="0.001"), 409, "more_than_was_taken")


@pytest.mark.parametrize("event_id", ["a/b", "deep/a/b/refund", "refund", "x/refund/refund"])
def test_an_id_with_slashes_even_one_that_ends_like_a_refund_is_found_both_ways(gateway: Gateway, event_id: str) -> None:
    spending.report(gateway.account, event_id)
    factories.end_of_transaction()
    assert gateway.event(event_id)["event_id"] == event_id
    told = gateway.refund(event_id)
    assert (told.status_code, told.json()["event"]["event_id"]) == (200, event_id)
    assert UsageEvent.objects.filter(refunded_nanos__gt=0).count() == 1
    head = gateway.api.send("HEAD", f"/v1/usage/events/{event_id}?account={gateway.account.public_id}", gateway.key)
    assert head.status_code == 200


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ({"amount": "0"}, "invalid_amount"),
        ({"amount": "-0.001"}, "invalid_amount"),
        ({"amount": "1e-3"}, "invalid_amount"),
        ({"amount": "0.0000000001"}, "invalid_amount"),
        ({"amount": "9" * 30}, "invalid_amount"),
        ({"amount": ""}, "invalid_input"),
        ({"amount": None}, "invalid_input"),
        ({"amount": ["1"]}, "invalid_input"),
        ({"reason": "x" * 501}, "invalid_input"),
        ({"account": None}, "invalid_input"),
        ({"account": ""}, "invalid_input"),
    ],
)
def test_a_body_that_is_not_right_is_refused_and_moves_nothing(gateway: Gateway, said: dict[str, Any], code: str) -> None:
    before = factories.books_now(), AuditRecord.objects.count()
    refused(gateway.refund(**said), 400, code)
    assert (factories.books_now(), AuditRecord.objects.count()) == before


def test_an_account_that_is_not_named_or_does_not_exist_is_refused(gateway: Gateway) -> None:
    before = factories.books_now()
    refused(gateway.api.post("/v1/usage/events/one/refund", {}, gateway.key), 400, "account_required")
    refused(gateway.refund(account="f" * 32), 404, "not_found")
    refused(gateway.refund(account=factories.make_account().public_id), 404, "not_found")
    refused(gateway.refund("three"), 404, "not_found")
    assert factories.books_now() == before


def test_the_account_may_be_named_in_the_query(gateway: Gateway) -> None:
    mine = gateway.account.public_id
    path = f"/v1/usage/events/one/refund?account={mine}"
    before = factories.books_now()
    refused(gateway.api.post(path, {"account": factories.make_account().public_id}, gateway.key), 400, "account_ambiguous")
    assert factories.books_now() == before
    assert gateway.api.post(path, {}, gateway.key).json()["event"]["account"] == mine


def test_a_call_that_cost_nothing_is_a_409_that_says_so(gateway: Gateway) -> None:
    spending.report(gateway.account, "free", input_tokens=0)
    count_account(gateway.account.pk)
    before = factories.books_now()
    assert "charged nothing" in refused(gateway.refund("free", key="k"), 409, "nothing_to_refund")["detail"]
    refused(gateway.refund(amount="0.0025000001"), 400, "invalid_amount")
    refused(gateway.refund(amount="0.002500001"), 409, "more_than_was_taken")
    assert factories.books_now() == before


def test_only_a_platform_key_may(gateway: Gateway, api: Api, cast: Cast) -> None:
    body = {"account": cast.alice.account.public_id}
    spending.report(cast.alice.account, "hers")
    before = factories.books_now()
    for caller in (cast.alice, actors.customer_key(cast.alice)):
        refused(api.post("/v1/usage/events/hers/refund", body, caller), 403, "platform_key_required")
    refused(api.post("/v1/usage/events/hers/refund", body, actors.platform_key(["usage:read"])), 403, "missing_scope")
    refused(api.post("/v1/usage/events/hers/refund", body), 401, "not_authenticated")
    refused(api.send("PUT", "/v1/usage/events/hers/refund", gateway.key, body), 405, "method_not_allowed")
    assert factories.books_now() == before
