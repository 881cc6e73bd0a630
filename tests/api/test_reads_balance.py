"""The balance, in all four dialects: the same credits, each API's own number."""

from typing import Any

import pytest

from accounts.models.membership import Role
from core.api.dialects import BILLING, GATEWAY, PROBLEM, Dialect
from credits.models import LedgerEntry, Wallet
from tests import actors
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.spending import adjust

TWENTY_DOLLARS = 20_000_000_000
USER = "/api-account/user/balance"
ACCOUNT = "/auth/account/credits"
BILLING_SERVICE = "/credits/balance"


def gateway(person: Person, prefix: str = "") -> str:
    return f"{prefix}/accounts/{person.account.public_id}/ai-gateway/billing/credit-balance"


def every_path(person: Person) -> list[str]:
    return [USER, ACCOUNT, BILLING_SERVICE, gateway(person), gateway(person, "/client/v4")]


def test_twenty_dollars_are_the_same_in_all_four_dialects(api: Api, alice: Person) -> None:
    adjust(alice.account, TWENTY_DOLLARS)
    assert api.get(USER, alice).json() == {
        "balance": 20.0,
        "balance_str": "20.00",
        "available": 20.0,
        "available_str": "20.00",
        "reserved": 0.0,
        "reserved_str": "0.00",
        "currency": "USD",
    }
    assert api.get(BILLING_SERVICE, alice).json() == {
        "success": True,
        "data": {
            "balance": 20_000,
            "balance_str": "20000",
            "available": 20_000,
            "available_str": "20000",
            "reserved": 0,
            "reserved_str": "0",
        },
    }
    assert api.get(gateway(alice), alice).json()["result"]["balance"] == 2_000
    assert api.get(ACCOUNT, alice).json()["balance_str"] == "20.00"


def test_whole_credits_and_cents_are_integers_and_dollars_are_floats_on_the_wire(api: Api, alice: Person) -> None:
    adjust(alice.account, TWENTY_DOLLARS)
    assert b'"balance":20.0,' in api.get(USER, alice).content
    assert b'"balance":20000,' in api.get(BILLING_SERVICE, alice).content
    assert b'"balance":2000,' in api.get(gateway(alice), alice).content


def test_a_nano_is_not_lost_in_any_dialect(api: Api, alice: Person) -> None:
    adjust(alice.account, 1_234_567_891)
    assert api.get(USER, alice).json()["balance_str"] == "1.234567891"
    assert api.get(ACCOUNT, alice).json()["balance_str"] == "1.234567891"
    credits_shown = api.get(BILLING_SERVICE, alice).json()["data"]
    assert (credits_shown["balance"], credits_shown["balance_str"]) == (1234.567891, "1234.567891")
    assert api.get(gateway(alice), alice).json()["result"]["balance"] == 123.4567891


def test_credit_balance_has_every_field_of_the_account_api(api: Api, alice: Person) -> None:
    entry = adjust(alice.account, TWENTY_DOLLARS)
    shown = api.get(ACCOUNT, alice).json()
    assert shown == {
        "user_id": alice.user.pk,
        "balance": 20.0,
        "balance_str": "20.00",
        "reserved": 0.0,
        "reserved_str": "0.00",
        "available": 20.0,
        "available_str": "20.00",
        "currency": "USD",
        "last_updated": entry.created_at.isoformat().replace("+00:00", "Z"),
        "auto_reload_enabled": False,
        "auto_reload_threshold": 0.0,
        "auto_reload_threshold_str": "0.00",
        "auto_reload_amount": 0.0,
        "auto_reload_amount_str": "0.00",
    }


def test_the_gateways_credit_balance_has_every_field_of_the_vendor(api: Api, alice: Person) -> None:
    adjust(alice.account, TWENTY_DOLLARS)
    expected = {
        "result": {
            "balance": 2_000,
            "has_default_payment_method": False,
            "payment_method": None,
            "topup_config": {
                "amount": None,
                "threshold": None,
                "disabledReason": None,
                "error": None,
                "lastFailedAt": None,
            },
            "first_topup_success": False,
        },
        "success": True,
        "errors": [],
        "messages": [],
    }
    assert api.get(gateway(alice), alice).json() == expected
    assert api.get(gateway(alice, "/client/v4"), alice).json() == expected


def test_an_account_that_never_had_credits_reads_zero_and_gets_no_wallet(api: Api, alice: Person) -> None:
    before = Wallet.objects.count()
    for path in every_path(alice):
        answer = api.get(path, alice)
        assert answer.status_code == 200
        body: Any = answer.json()
        assert body.get("data", body.get("result", body))["balance"] == 0
    assert Wallet.objects.count() == before


def test_debt_is_a_negative_balance_and_nothing_is_available(api: Api, alice: Person) -> None:
    adjust(alice.account, -1_500_000_000)
    shown = api.get(USER, alice).json()
    assert (shown["balance"], shown["balance_str"]) == (-1.5, "-1.50")
    assert (shown["available"], shown["available_str"]) == (0.0, "0.00")
    assert api.get(BILLING_SERVICE, alice).json()["data"]["balance"] == -1_500
    assert api.get(gateway(alice), alice).json()["result"]["balance"] == -150


def test_a_key_reads_its_account_and_names_the_owner(api: Api, cast: Cast) -> None:
    adjust(cast.alice.account, TWENTY_DOLLARS)
    key = actors.customer_key(cast.alice, ["billing:read"])
    shown = api.get(ACCOUNT, key).json()
    assert (shown["user_id"], shown["balance_str"]) == (cast.alice.user.pk, "20.00")


def test_a_viewer_of_another_account_reads_it_as_themselves(api: Api, cast: Cast) -> None:
    adjust(cast.alice.account, TWENTY_DOLLARS)
    shown = api.get(ACCOUNT, cast.bob, x_account=cast.alice.account.public_id).json()
    assert (shown["user_id"], shown["balance_str"]) == (cast.bob.user.pk, "20.00")
    assert api.get(gateway(cast.alice), cast.bob).json()["result"]["balance"] == 2_000
    assert api.get(ACCOUNT, cast.bob).json()["balance_str"] == "0.00"


def test_a_platform_key_names_the_account(api: Api, alice: Person) -> None:
    adjust(alice.account, TWENTY_DOLLARS)
    key = actors.platform_key(["billing:read"])
    unnamed = api.get(USER, key)
    assert (unnamed.status_code, unnamed.json()["code"]) == (400, "account_required")
    assert api.get(f"{USER}?account={alice.account.public_id}", key).json()["balance_str"] == "20.00"
    assert api.get(f"{ACCOUNT}?account={alice.account.public_id}", key).json()["user_id"] == alice.user.pk
    assert api.get(gateway(alice), key).json()["result"]["balance"] == 2_000


@pytest.mark.parametrize("dialect", [PROBLEM, BILLING, GATEWAY], ids=lambda dialect: dialect.name)
def test_a_refusal_speaks_the_dialect_of_its_path(api: Api, cast: Cast, dialect: Dialect) -> None:
    path = {PROBLEM: USER, BILLING: BILLING_SERVICE, GATEWAY: gateway(cast.alice)}[dialect]
    key = actors.customer_key(cast.alice, ["usage:read"])
    for answer, status in ((api.get(path), 401), (api.get(path, "nonsense"), 401), (api.get(path, key), 403)):
        assert answer.status_code == status
        body = answer.json()
        if dialect is PROBLEM:
            assert answer.headers["Content-Type"] == "application/problem+json"
            assert (body["status"], bool(body["code"]), bool(body["request_id"])) == (status, True, True)
        elif dialect is BILLING:
            assert body["success"] is False
            assert set(body["error"]) == {"code", "message", "details", "request_id"}
        else:
            assert (body["success"], body["result"], body["messages"]) == (False, None, [])
            assert body["errors"][0]["code"] == 10000


def test_a_stranger_gets_404_where_the_account_is_named(api: Api, cast: Cast) -> None:
    adjust(cast.alice.account, TWENTY_DOLLARS)
    other_key = actors.customer_key(cast.charlie)
    for by in (cast.charlie, other_key):
        for path in (gateway(cast.alice), gateway(cast.alice, "/client/v4")):
            answer = api.get(path, by)
            assert answer.status_code == 404
            assert (answer.json()["success"], answer.json()["errors"][0]["code"]) == (False, 7003)
        for path in (USER, ACCOUNT, BILLING_SERVICE):
            assert api.get(path, by, x_account=cast.alice.account.public_id).status_code == 404
            assert api.get(f"{path}?account={cast.alice.account.public_id}", by).status_code == 404


@pytest.mark.parametrize("account_id", ["x", "0" * 31, "0" * 33, "g" * 32, "0" * 32, "%00" * 32])
def test_an_account_id_that_is_none_is_404_in_the_gateways_envelope(api: Api, alice: Person, account_id: str) -> None:
    for prefix in ("", "/client/v4"):
        answer = api.get(f"{prefix}/accounts/{account_id}/ai-gateway/billing/credit-balance", alice)
        assert answer.status_code == 404
        assert (answer.json()["success"], answer.json()["result"]) == (False, None)
        assert answer.json()["errors"][0]["code"] == 7003


def test_an_account_id_in_upper_case_is_the_same_account(api: Api, alice: Person) -> None:
    adjust(alice.account, TWENTY_DOLLARS)
    path = f"/accounts/{alice.account.public_id.upper()}/ai-gateway/billing/credit-balance"
    assert api.get(path, alice).json()["result"]["balance"] == 2_000


def test_a_stripped_member_reads_no_more(api: Api, cast: Cast) -> None:
    actors.join(cast.charlie, cast.alice.account, Role.VIEWER)
    assert api.get(gateway(cast.alice), cast.charlie).status_code == 200
    cast.alice.account.memberships.filter(user=cast.charlie.user).delete()
    assert api.get(gateway(cast.alice), cast.charlie).status_code == 404


def test_balances_are_only_read(api: Api, alice: Person) -> None:
    adjust(alice.account, TWENTY_DOLLARS)
    for path in every_path(alice):
        assert api.post(path, {"balance": 5}, alice).status_code == 405
        assert api.delete(path, alice).status_code == 405
    assert LedgerEntry.objects.filter(account=alice.account).count() == 1
