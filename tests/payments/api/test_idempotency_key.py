"""`Idempotency-Key` over HTTP: one order however often it is asked for, and the first answer again."""

import pytest

from payments.models import Order, PaymentAttempt
from sandbox import ApiFault, Sandbox
from tests.actors import Cast, Person, customer_key, platform_key
from tests.conftest import Api
from tests.payments.api.purchases import CHECKOUT, SESSION, buy, code_of, nothing_moves
from tests.threads import at_once, successes

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_the_same_key_and_body_have_the_first_answer(api: Api, alice: Person, stripe: Sandbox, path: str) -> None:
    first = buy(api, alice, path, key="once")
    with nothing_moves():
        again = buy(api, alice, path, key="once")

    assert (first.status_code, again.status_code) == (200, 200)
    assert again.content == first.content
    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first
    assert Order.objects.count() == 1


def test_the_order_of_the_fields_and_the_blanks_between_them_do_not_matter(api: Api, alice: Person, stripe: Sandbox) -> None:
    first = api.post(CHECKOUT, b'{"credit_usd": 20, "currency": "USD"}', alice, idempotency_key="once")
    again = api.post(CHECKOUT, b'{ "currency":"USD",\n"credit_usd":20 }', alice, idempotency_key="once")

    assert again.content == first.content
    assert Order.objects.count() == 1


@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_the_same_key_with_another_body_is_refused(api: Api, alice: Person, stripe: Sandbox, path: str) -> None:
    buy(api, alice, path, key="once")
    other = {"credit_usd": 21} if path == CHECKOUT else {"credits": 21_000}
    with nothing_moves():
        answer = buy(api, alice, path, key="once", **other)

    assert (answer.status_code, code_of(answer)) == (422, "idempotency_key_reused")


def test_without_a_key_each_request_is_an_order(api: Api, alice: Person, stripe: Sandbox) -> None:
    assert buy(api, alice).json()["order_id"] != buy(api, alice).json()["order_id"]


def test_one_key_means_one_order_of_an_account_whoever_asks(api: Api, cast: Cast, stripe: Sandbox) -> None:
    asked = [
        buy(api, cast.alice, key="once"),
        buy(api, customer_key(cast.alice), key="once"),
        api.post(
            f"{CHECKOUT}?account={cast.alice.account.public_id}",
            {"credit_usd": 20, "currency": "USD"},
            platform_key(),
            idempotency_key="once",
        ),
    ]

    assert [answer.status_code for answer in asked] == [200] * 3
    assert len({answer.content for answer in asked}) == 1


def test_the_keys_of_two_accounts_have_nothing_to_do_with_each_other(api: Api, cast: Cast, stripe: Sandbox) -> None:
    alices, charlies = buy(api, cast.alice, key="once"), buy(api, cast.charlie, key="once", credit_usd=30)

    assert (alices.status_code, charlies.status_code) == (200, 200)
    assert set(Order.objects.values_list("account_id", "amount_minor")) == {
        (cast.alice.account.pk, 2_000),
        (cast.charlie.account.pk, 3_000),
    }


def test_the_keys_of_two_paths_have_nothing_to_do_with_each_other(api: Api, alice: Person, stripe: Sandbox) -> None:
    assert [buy(api, alice, path, key="once").status_code for path in (CHECKOUT, SESSION)] == [200, 200]
    assert Order.objects.count() == 2


@pytest.mark.parametrize("key", ["", "x" * 256, "k\u00e9y", "a\tb", "a\x7fb"])
def test_a_key_that_is_none_is_refused(api: Api, alice: Person, stripe: Sandbox, key: str) -> None:
    with nothing_moves():
        answer = buy(api, alice, key=key)

    assert (answer.status_code, code_of(answer)) == (400, "invalid_idempotency_key")


@pytest.mark.parametrize("key", ["x", "x" * 255, 'a key, with "all" of ~!'])
def test_any_printable_text_is_a_key(api: Api, alice: Person, stripe: Sandbox, key: str) -> None:
    assert buy(api, alice, key=key).content == buy(api, alice, key=key).content
    assert Order.objects.count() == 1


def test_a_refusal_is_decided_anew(api: Api, alice: Person, stripe: Sandbox) -> None:
    assert buy(api, alice, key="once", credit_usd=1).status_code == 400

    assert buy(api, alice, key="once").status_code == 200


def test_after_a_failure_of_the_provider_the_same_key_goes_on_with_the_same_order(api: Api, alice: Person, stripe: Sandbox) -> None:
    stripe.api_fault(ApiFault(path="/v1/checkout/sessions", status=500))
    failed = buy(api, alice, key="once")
    stripe.clear_faults()

    answer = buy(api, alice, key="once")

    assert (failed.status_code, answer.status_code) == (503, 200)
    assert "Idempotent-Replayed" not in answer
    assert (Order.objects.count(), PaymentAttempt.objects.filter(status="open").count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_the_same_request_at_the_same_time_orders_once(api: Api, alice: Person, stripe: Sandbox) -> None:
    stripe.api_fault(ApiFault(path="/v1/checkout/sessions", delay_before=1))

    answers = successes(at_once(*[lambda: buy(Api(type(api.client)()), alice, key="once")] * 3))

    assert sorted(answer.status_code for answer in answers) == [200, 409, 409]
    refused = [answer for answer in answers if answer.status_code == 409]
    assert {code_of(answer) for answer in refused} == {"request_in_progress"}
    assert all(int(answer["Retry-After"]) > 0 for answer in refused)
    assert buy(api, alice, key="once")["Idempotent-Replayed"] == "true"
    assert (Order.objects.count(), PaymentAttempt.objects.count()) == (1, 1)
