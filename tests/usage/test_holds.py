"""Holds over HTTP: kept aside, captured, voided; what is refused says why, and moves nothing."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from accounts.models import Account
from accounts.services.account import close_account, set_frozen
from accounts.services.api_keys import IssuedKey, issue_api_key, revoke_api_key
from core import clock
from credits.services.limits import Duration, LimitTerms, Strategy, set_limit
from tests import factories, spending
from tests.actors import Cast, Person
from tests.conftest import Api

USD = 10**9


@pytest.fixture
def account(db: None) -> Iterator[Account]:
    spending.price()
    made = factories.make_account()
    factories.give(made, USD)
    yield made
    assert factories.disagreements() == []


class Gateway:
    """A gateway that serves one account, by its platform key."""

    def __init__(self, api: Api, key: IssuedKey, account: Account) -> None:
        self.api, self.key, self.account = api, key, account

    def hold(self, amount: str | None = None, **said: Any) -> Any:
        body = {"account": self.account.public_id} | ({} if amount is None else {"amount": amount}) | said
        headers = {name: body.pop(name) for name in ("idempotency_key",) if name in body}
        return self.api.post("/v1/holds", body, self.key, **headers)

    def capture(self, hold: str, event_id: str = "call-1", **said: Any) -> Any:
        factories.end_of_transaction()
        body = {"account": self.account.public_id, "event_id": event_id, "model": "gpt-4o"} | said
        headers = {name: body.pop(name) for name in ("idempotency_key",) if name in body}
        return self.api.post(f"/v1/holds/{hold}/capture", body, self.key, **headers)

    def void(self, hold: str) -> Any:
        return self.api.post(f"/v1/holds/{hold}/void", {"account": self.account.public_id}, self.key)

    def report(self, **said: Any) -> Any:
        return factories.post_events(self.api, self.key, [factories.event(self.account, **said)])


@pytest.fixture
def gateway(api: Api, gateway_key: IssuedKey, account: Account) -> Gateway:
    return Gateway(api, gateway_key, account)


def left(answer: Any) -> tuple[str, str]:
    return answer.headers["X-Credits-Available"], answer.headers["X-Credits-Reserved"]


def refused(answer: Any, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert (answer.status_code, body["code"]) == (status, code), body
    return body


def test_a_hold_keeps_credits_aside_and_says_what_is_left(gateway: Gateway) -> None:
    answer = gateway.hold("0.40", expires_in=60)
    assert answer.status_code == 201
    hold = answer.json()
    assert (hold["status"], hold["amount_nanos"], hold["amount_usd"]) == ("open", "400000000", "0.40")
    assert (hold["event_id"], hold["closed_at"], hold["account"]) == (None, None, gateway.account.public_id)
    assert left(answer) == ("0.60", "0.40")
    seen = gateway.api.get(f"/v1/holds/{hold['id']}?account={gateway.account.public_id}", gateway.key)
    assert seen.json() == hold


def test_a_hold_of_a_model_keeps_what_the_call_may_cost_at_most(gateway: Gateway) -> None:
    hold = gateway.hold(model="gpt-4o", input_tokens=1_000, output_tokens=2_000).json()
    assert hold["amount_nanos"] == str(1_000 * 2_500 + 2_000 * 10_000)


def test_a_call_that_would_cost_nothing_keeps_one_nano(gateway: Gateway) -> None:
    assert gateway.hold(model="gpt-4o", requests=0).json()["amount_nanos"] == "1"


def test_a_capture_is_the_usage_event_and_gives_back_the_rest(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    answer = gateway.capture(hold, input_tokens=40_000)
    assert answer.status_code == 200
    said = answer.json()
    assert (said["status"], said["event_id"], said["flag"]) == ("captured", "call-1", None)
    assert (said["cost_nanos"], said["charged_usd"], said["absorbed_nanos"]) == ("100000000", "0.10", "0")
    assert left(answer) == ("0.90", "0.00")
    assert factories.balance_of(gateway.account) == 900_000_000


def test_a_capture_by_amount_needs_no_price(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    said = gateway.capture(hold, amount="0.333333333").json()
    assert said["charged_nanos"] == "333333333"


def test_the_same_capture_again_has_the_same_answer_and_charges_nothing(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    first = gateway.capture(hold, input_tokens=40_000)
    before = factories.books_now()
    again = gateway.capture(hold, input_tokens=40_000)
    assert (again.status_code, again.json()) == (200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    assert left(again) == left(first)
    assert factories.books_now() == before


def test_a_capture_and_the_event_that_names_the_hold_are_the_same_act(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    gateway.capture(hold, input_tokens=40_000)
    before = factories.books_now()
    assert gateway.report(event_id="call-1", hold=hold, input_tokens=40_000).json()["duplicates"] == 1
    assert factories.books_now() == before

    other = gateway.hold("0.40").json()["id"]
    assert gateway.report(event_id="call-2", hold=other, input_tokens=40_000).json()["accepted"] == 1
    assert gateway.capture(other, "call-2", input_tokens=40_000).json()["charged_usd"] == "0.10"
    assert factories.balance_of(gateway.account) == 800_000_000


def test_a_capture_by_another_event_is_refused(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    gateway.capture(hold, input_tokens=40_000)
    before = factories.books_now()
    refused(gateway.capture(hold, "call-2", input_tokens=40_000), 409, "hold_already_captured")
    refused(gateway.capture(hold, "call-1", input_tokens=1), 409, "event_id_conflict")
    rejected = gateway.report(event_id="call-3", hold=hold).json()["rejected"]
    assert [item["code"] for item in rejected] == ["hold_already_captured"]
    assert factories.books_now() == before


def test_two_events_of_one_batch_that_name_one_hold_are_one_capture_and_one_refusal(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    events = [factories.event(gateway.account, f"call-{number}", hold=hold, input_tokens=1_000) for number in range(3)]
    answer = factories.post_events(gateway.api, gateway.key, events).json()
    assert (answer["accepted"], [item["index"] for item in answer["rejected"]]) == (1, [1, 2])
    assert factories.balance_of(gateway.account) == USD - 2_500_000


def test_a_voided_hold_frees_its_credits_and_captures_nothing(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    answer = gateway.void(hold)
    assert (answer.status_code, answer.json()["status"], left(answer)) == (200, "voided", ("1.00", "0.00"))
    before = factories.books_now()
    assert gateway.void(hold).json() == answer.json()
    refused(gateway.capture(hold), 409, "hold_voided")
    assert factories.books_now() == before


def test_usage_that_names_a_voided_hold_happened_all_the_same(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    gateway.void(hold)
    assert gateway.report(event_id="call-1", hold=hold, input_tokens=40_000).json()["accepted"] == 1
    event = gateway.api.get(f"/v1/usage/events/call-1?account={gateway.account.public_id}", reader(gateway)).json()
    assert (event["hold"], event["flag"], event["charged_usd"]) == (hold, "after_void", "0.10")


def reader(gateway: Gateway) -> IssuedKey:
    return issue_api_key(
        account_id=gateway.account.pk, name="reads", scopes=["usage:read"], actor_id=gateway.account.personal_of_id or 0, now=clock.now()
    )


def test_a_captured_hold_is_not_voided(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    gateway.capture(hold)
    before = factories.books_now()
    refused(gateway.void(hold), 409, "hold_already_captured")
    assert factories.books_now() == before


def test_a_refusal_says_whether_the_credits_are_gone_or_only_held(gateway: Gateway) -> None:
    gateway.hold("0.70")
    before = factories.books_now()
    held = gateway.hold("0.40")
    body = refused(held, 402, "held_by_other_requests")
    assert (body["available"], body["held"], left(held)) == ("0.30", "0.70", ("0.30", "0.70"))
    assert int(held.headers["Retry-After"]) == body["retry_after"] >= 1
    gone = refused(gateway.hold("1.01"), 402, "insufficient_credits")
    assert (gone["available"], gone["held"]) == ("0.30", "0.70")
    assert factories.books_now() == before


def test_an_account_in_debt_is_refused(gateway: Gateway) -> None:
    gateway.report(input_tokens=1_000_000)
    refused(gateway.hold("0.000000001"), 402, "insufficient_credits")


def test_a_frozen_account_is_refused_and_its_usage_is_booked(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    set_frozen(account_id=gateway.account.pk, is_frozen=True, actor_id=1, reason="Tests.", now=clock.now())
    before = factories.books_now()
    refused(gateway.hold("0.10"), 403, "account_frozen")
    assert factories.books_now() == before
    assert gateway.capture(hold, input_tokens=40_000).json()["charged_usd"] == "0.10"


def test_a_revoked_key_starts_no_call(gateway: Gateway) -> None:
    now = clock.now()
    key = issue_api_key(
        account_id=gateway.account.pk, name="x", scopes=["usage:read"], actor_id=gateway.account.personal_of_id or 0, now=now
    ).key
    assert gateway.hold("0.10", api_key=key.public_id).json()["api_key"] == key.public_id
    revoke_api_key(key_id=key.pk, now=now)
    before = factories.books_now()
    refused(gateway.hold("0.10", api_key=key.public_id), 403, "api_key_revoked")
    refused(gateway.hold("0.10", api_key="0" * 32), 400, "unknown_api_key")
    assert factories.books_now() == before


def test_a_hold_key_is_one_hold_for_ever(gateway: Gateway) -> None:
    first = gateway.hold("0.40", hold_key="call-1")
    before = factories.books_now()
    again = gateway.hold("0.40", hold_key="call-1")
    assert (first.status_code, again.status_code, again.json()) == (201, 200, first.json())
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(gateway.hold("0.41", hold_key="call-1"), 409, "hold_key_reused")
    refused(gateway.hold("0.40", hold_key="call-1", expires_in=601), 409, "hold_key_reused")
    assert factories.books_now() == before


def test_a_hold_of_a_model_is_the_same_call_at_another_price(gateway: Gateway) -> None:
    asked: dict[str, Any] = {"model": "gpt-4o", "input_tokens": 1_000, "hold_key": "call-1"}
    first = gateway.hold(**asked).json()
    dearer = replace(spending.GPT_4O, input=5_000_000_000)
    factories.change_price("gpt-4o", dearer, effective_at=clock.now() - timedelta(seconds=1))
    assert gateway.hold(**asked).json() == first
    assert gateway.hold(**asked | {"hold_key": "call-2"}).json()["amount_nanos"] == "5000000"


def test_a_hold_that_has_ended_is_told_as_it_stands(gateway: Gateway) -> None:
    hold = gateway.hold("0.40", hold_key="call-1").json()["id"]
    gateway.void(hold)
    again = gateway.hold("0.40", hold_key="call-1")
    assert (again.status_code, again.json()["status"]) == (200, "voided")


def test_every_answer_says_what_is_left(gateway: Gateway) -> None:
    hold = gateway.hold("0.40", hold_key="call-1", idempotency_key="k").json()["id"]
    voided = gateway.hold("0.10").json()["id"]
    gateway.void(voided)
    now = ("0.60", "0.40")
    assert left(gateway.hold("0.41", hold_key="call-1")) == now
    assert left(gateway.capture(voided)) == now
    assert left(gateway.capture("0" * 32)) == now
    assert left(gateway.api.get(f"/v1/holds/{hold}", reader(gateway))) == now
    gateway.capture(hold, input_tokens=40_000)
    assert left(gateway.hold("0.40", hold_key="call-1", idempotency_key="k")) == ("0.90", "0.00")
    assert (
        left(gateway.void(hold)) == left(gateway.capture(hold, "call-2")) == left(gateway.capture(hold, input_tokens=1)) == ("0.90", "0.00")
    )
    set_frozen(account_id=gateway.account.pk, is_frozen=True, actor_id=1, reason="Tests.", now=clock.now())
    assert left(gateway.hold("0.10")) == ("0.90", "0.00")


def test_credits_that_end_before_the_hold_are_not_called_gone(gateway: Gateway) -> None:
    account = factories.make_account()
    factories.give(account, USD, expires_at=clock.now() + timedelta(minutes=30))
    other = Gateway(gateway.api, gateway.key, account)
    body = refused(other.hold("0.40", expires_in=4 * 3600), 402, "insufficient_credits")
    assert (body["available"], body["promisable"]) == ("1.00", "0.00")
    assert "shorter" in body["detail"]
    assert other.hold("0.40", expires_in=600).status_code == 201


def test_the_capture_of_a_voided_hold_whose_usage_was_reported_is_refused(gateway: Gateway) -> None:
    hold = gateway.hold("0.40").json()["id"]
    gateway.void(hold)
    gateway.report(event_id="call-1", hold=hold, input_tokens=40_000)
    before = factories.books_now()
    refused(gateway.capture(hold, input_tokens=40_000), 409, "hold_voided")
    assert factories.books_now() == before


def test_two_accounts_in_one_request_are_refused(gateway: Gateway) -> None:
    other = factories.make_account()
    answer = gateway.api.post(f"/v1/holds?account={other.public_id}", {"account": gateway.account.public_id, "amount": "0.10"}, gateway.key)
    refused(answer, 400, "account_ambiguous")


def test_an_idempotency_key_gives_the_first_answer_again(gateway: Gateway) -> None:
    first = gateway.hold("0.40", idempotency_key="k-1")
    again = gateway.hold("0.40", idempotency_key="k-1")
    assert (again.status_code, again.json(), left(again)) == (201, first.json(), left(first))
    assert again.headers["Idempotent-Replayed"] == "true"
    refused(gateway.hold("0.41", idempotency_key="k-1"), 422, "idempotency_key_reused")
    assert gateway.hold("0.10").headers["X-Credits-Reserved"] == "0.50"
    hold = first.json()["id"]
    done = gateway.capture(hold, input_tokens=1_000, idempotency_key="k-2")
    assert gateway.capture(hold, input_tokens=1_000, idempotency_key="k-2").json() == done.json()


BAD: dict[str, dict[str, Any]] = {
    "no amount and no model": {},
    "both": {"amount": "1.00", "model": "gpt-4o"},
    "nothing": {"amount": "0"},
    "less than nothing": {"amount": "-1"},
    "too many decimals": {"amount": "0.0000000001"},
    "a number": {"amount": 0.4},
    "too long": {"amount": "0.10", "expires_in": 86_401},
    "no time": {"amount": "0.10", "expires_in": 0},
    "a field nobody knows": {"amount": "0.10", "ammount": "1"},
    "a model nobody knows": {"model": "gpt-5000"},
    "a key with a blank": {"amount": "0.10", "hold_key": "a b"},
    "an account that is none": {"amount": "0.10", "account": "x"},
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused_by_a_name_and_moves_nothing(gateway: Gateway, case: str) -> None:
    before = factories.books_now()
    answer = gateway.hold(**BAD[case])
    assert answer.status_code == 400, answer.json()
    assert answer.json()["code"] in {"invalid_hold", "amount_out_of_range", "unknown_model"}, answer.json()
    assert factories.books_now() == before


@pytest.mark.parametrize("body", [b"", b"[", b"[]", b"null", b'"x"', b"\xff", b"[" * 100_000])
def test_a_body_that_is_no_object_is_refused(gateway: Gateway, body: bytes) -> None:
    for path in ("/v1/holds", f"/v1/holds/{'0' * 32}/capture", f"/v1/holds/{'0' * 32}/void"):
        answer = gateway.api.post(path, body, gateway.key)
        assert answer.status_code == 400, answer.json()


def test_a_hold_of_another_account_does_not_exist(gateway: Gateway, api: Api, gateway_key: IssuedKey) -> None:
    hold = gateway.hold("0.40").json()["id"]
    other = factories.make_account()
    factories.give(other, USD)
    stranger = Gateway(api, gateway_key, other)
    before = factories.books_now()
    refused(stranger.capture(hold), 404, "hold_not_found")
    refused(stranger.void(hold), 404, "hold_not_found")
    refused(gateway.capture("0" * 32), 404, "hold_not_found")
    refused(gateway.void("0" * 32), 404, "hold_not_found")
    refused(gateway.hold("0.10", account="0" * 32), 404, "account_not_found")
    assert factories.books_now() == before


@pytest.mark.parametrize("hold", ["nothing", "0" * 200, "%00", "0" * 31 + "%0A", "é" * 32])
def test_what_cannot_be_a_hold_is_not_found_whatever_names_the_request(gateway: Gateway, hold: str) -> None:
    before = factories.books_now()
    for act in ("capture", "void"):
        body = {"account": gateway.account.public_id, "event_id": "call", "model": "gpt-4o"}
        answer = gateway.api.post(f"/v1/holds/{hold}/{act}", body, gateway.key, idempotency_key="k")
        refused(answer, 404, "not_found")
    assert factories.books_now() == before


def test_a_named_request_that_is_refused_leaves_an_account_without_a_wallet_usable(gateway: Gateway) -> None:
    other = factories.make_account()
    stranger = Gateway(gateway.api, gateway.key, other)
    refused(stranger.hold("1.00", idempotency_key="k"), 402, "insufficient_credits")
    refused(stranger.capture("0" * 32, idempotency_key="k"), 404, "hold_not_found")
    assert stranger.report(event_id="call", input_tokens=1).json()["accepted"] == 1


def test_a_closed_account_starts_no_call_and_settles_what_was_under_way(gateway: Gateway) -> None:
    hold, other = gateway.hold("0.40").json()["id"], gateway.hold("0.10").json()["id"]
    close_account(account_id=gateway.account.pk, actor_id=gateway.account.personal_of_id or 0, reason="Tests.", now=clock.now())
    factories.forget_memories()
    before = factories.books_now()
    refused(gateway.hold("0.10"), 404, "account_not_found")
    assert factories.books_now() == before
    assert gateway.capture(hold, input_tokens=40_000).json()["charged_usd"] == "0.10"
    assert gateway.void(other).json()["status"] == "voided"


def test_only_a_platform_key_asks(gateway: Gateway, api: Api, cast: Cast, alice: Person) -> None:
    body = {"account": gateway.account.public_id, "amount": "0.10"}
    before = factories.books_now()
    for path in ("/v1/holds", f"/v1/holds/{'0' * 32}/capture", f"/v1/holds/{'0' * 32}/void"):
        assert api.post(path, body).status_code == 401
        assert api.post(path, body, alice).status_code == 403
        assert api.post(path, body, reader(gateway)).status_code == 403
    assert factories.books_now() == before


def test_a_hold_can_be_read_by_its_account(gateway: Gateway) -> None:
    opened = gateway.hold("0.40").json()
    assert gateway.api.get(f"/v1/holds/{opened['id']}", reader(gateway)).json() == opened
    assert gateway.api.get(f"/v1/holds/{'0' * 32}", reader(gateway)).status_code == 404


def test_the_account_may_stand_in_the_query(gateway: Gateway) -> None:
    answer = gateway.api.post(f"/v1/holds?account={gateway.account.public_id}", {"amount": "0.10"}, gateway.key)
    assert answer.status_code == 201
    voided = gateway.api.post(f"/v1/holds/{answer.json()['id']}/void?account={gateway.account.public_id}", b"", gateway.key)
    assert json.loads(voided.content)["status"] == "voided"


def test_a_limit_refuses_says_whose_it_is_and_when_to_come_again(gateway: Gateway) -> None:
    terms = LimitTerms(300_000_000, Duration.DAILY, Strategy.FIXED)
    set_limit(account_id=gateway.account.pk, terms=terms, actor_id=None, reason="Tests.", now=clock.now())
    gateway.hold("0.20")
    before = factories.books_now()
    answer = gateway.hold("0.11")
    body = refused(answer, 402, "spending_limit_reached")
    assert (body["limit_id"], body["available"], body["held"]) == ("account", "0.80", "0.20")
    assert body["resets_at"].endswith("Z")
    assert int(answer.headers["Retry-After"]) == body["retry_after"] > 0
    assert factories.books_now() == before
    assert gateway.hold("0.10").status_code == 201
