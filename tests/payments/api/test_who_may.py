"""Who may buy, read and cancel: members by role, keys by scope, platform keys for the account they name, and no stranger."""

import pytest

from accounts.models.membership import Role
from sandbox import Sandbox
from tests.actors import Cast, customer_key, join, platform_key
from tests.conftest import Api
from tests.payments.api.purchases import CHECKOUT, LISTED, SESSION, STATUS, bought, buy, code_of, nothing_moves

pytestmark = pytest.mark.django_db

UNKNOWN = f"ord_{'f' * 32}"


def reads_of(order_id: str) -> list[str]:
    return [LISTED, f"{STATUS}/{order_id}", "/orders", f"/orders/{order_id}"]


def acts_on(order_id: str) -> list[str]:
    return [f"/v1/orders/{order_id}/cancel", f"/v1/orders/{order_id}/checkout"]


@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_a_viewer_reads_and_does_not_buy(api: Api, cast: Cast, stripe: Sandbox, path: str) -> None:
    order_id = bought(api, cast.alice)["order_id"]
    alices = {"x_account": cast.alice.account.public_id}
    with nothing_moves():
        refused = [
            api.post(
                path, {"credit_usd": 20, "currency": "USD", "channel": "stripe", "type": "credits", "credits": 20_000}, cast.bob, **alices
            )
        ]
        refused += [api.post(act, None, cast.bob, **alices) for act in acts_on(order_id)]

    assert [(answer.status_code, code_of(answer)) for answer in refused] == [(403, "role_too_low")] * 3
    assert [api.get(read, cast.bob, **alices).status_code for read in reads_of(order_id)] == [200] * 4


def test_an_admin_buys_for_the_account(api: Api, cast: Cast, stripe: Sandbox) -> None:
    join(cast.charlie, cast.alice.account, Role.ADMIN)

    answer = api.post(CHECKOUT, {"credit_usd": 20, "currency": "USD"}, cast.charlie, x_account=cast.alice.account.public_id)

    assert answer.status_code == 200
    assert api.get(LISTED, cast.alice).json()["total"] == 1


@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_a_key_buys_with_its_scope_only(api: Api, cast: Cast, stripe: Sandbox, path: str) -> None:
    reader, writer = customer_key(cast.alice, ["billing:read"]), customer_key(cast.alice, ["billing:write"])
    order_id = bought(api, writer)["order_id"]
    with nothing_moves():
        refused = [buy(api, reader, path), *(api.post(act, None, reader) for act in acts_on(order_id))]
        unread = [api.get(read, writer) for read in reads_of(order_id)]

    assert {(answer.status_code, code_of(answer)) for answer in refused + unread} == {(403, "missing_scope")}
    assert buy(api, writer, path).status_code == 200
    assert [api.get(read, reader).status_code for read in reads_of(order_id)] == [200] * 4


@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_a_platform_key_names_the_account(api: Api, cast: Cast, stripe: Sandbox, path: str) -> None:
    key, named = platform_key(), cast.alice.account.public_id
    with nothing_moves():
        unnamed = buy(api, key, path)
        unknown = buy(api, key, path, account="f" * 32)

    assert (unnamed.status_code, code_of(unnamed)) == (400, "account_required")
    assert (unknown.status_code, code_of(unknown)) == (404, "not_found")
    order_id = bought(api, key, path, account=named)["order_id"]
    assert [api.get(f"{read}?account={named}", key).status_code for read in reads_of(order_id)] == [200] * 4
    assert api.post(f"{acts_on(order_id)[0]}?account={named}", None, key).status_code == 200


@pytest.mark.parametrize("path", [CHECKOUT, SESSION])
def test_a_stranger_does_not_buy_for_an_account(api: Api, cast: Cast, stripe: Sandbox, path: str) -> None:
    with nothing_moves():
        answers = [buy(api, who, path, account=cast.alice.account.public_id) for who in (cast.charlie, customer_key(cast.charlie))]

    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(404, "not_found")] * 2


def test_an_order_of_somebody_else_is_told_like_one_that_does_not_exist(api: Api, cast: Cast, stripe: Sandbox) -> None:
    order_id = bought(api, cast.alice)["order_id"]
    with nothing_moves():
        for by in (cast.charlie, customer_key(cast.charlie)):
            for existing, missing in zip(reads_of(order_id), reads_of(UNKNOWN), strict=True):
                if order_id in existing:
                    theirs, nobodys = (api.get(path, by, x_request_id="the-same-id") for path in (existing, missing))
                    assert (theirs.status_code, theirs.content, code_of(theirs)) == (404, nobodys.content, "order_not_found")
            for existing, missing in zip(acts_on(order_id), acts_on(UNKNOWN), strict=True):
                theirs, nobodys = (api.post(path, None, by, x_request_id="the-same-id") for path in (existing, missing))
                assert (theirs.status_code, theirs.content, code_of(theirs)) == (404, nobodys.content, "order_not_found")
    assert api.get(LISTED, cast.charlie).json()["items"] == []
    assert api.get("/orders", cast.charlie).json()["data"] == []


@pytest.mark.parametrize(
    "order_id",
    [
        "ord_",
        "f" * 32,
        f"ord_{'f' * 31}",
        f"ord_{'f' * 33}",
        f"ORD_{'f' * 32}",
        f"ord_{'F' * 32}",
        f"ord_{'g' * 32}",
        "%00",
        f"ord_{'f' * 31}%00",
        f"ord_{'f' * 32}%0a",
        "a" * 4_096,
        "%ff",
        "1",
        "-1",
        "ord_%2e%2e",
    ],
)
def test_what_is_no_id_of_an_order_is_a_404(api: Api, cast: Cast, stripe: Sandbox, order_id: str) -> None:
    with nothing_moves():
        answers = [api.get(path, cast.alice) for path in reads_of(order_id) if order_id in path]
        answers += [api.post(path, None, cast.alice) for path in acts_on(order_id)]

    assert [(answer.status_code, code_of(answer)) for answer in answers] == [(404, "not_found")] * 4


def test_nobody_buys_without_saying_who_they_are(api: Api, stripe: Sandbox) -> None:
    with nothing_moves():
        answers = [buy(api, None, path) for path in (CHECKOUT, SESSION)] + [api.get(path) for path in reads_of(UNKNOWN)]

    assert {(answer.status_code, code_of(answer)) for answer in answers} == {(401, "not_authenticated")}
