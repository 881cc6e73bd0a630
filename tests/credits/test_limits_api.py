"""Spending limits over HTTP: the AI gateway's, in cents, and those of keys, in dollars."""

from collections.abc import Iterator
from typing import Any, Final

import pytest

from accounts.services.api_keys import IssuedKey
from core.models import AuditRecord
from credits.models import LimitBucket, SpendingLimit
from tests import actors, factories
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.spending import price, report

pytestmark = pytest.mark.django_db

NONE_SET: Final = {"config": {"amount": None, "duration": None, "strategy": None}, "enabled": False}
FIVE_DOLLARS: Final = {"amount": 500, "duration": "daily", "strategy": "sliding"}
KEY_LIMIT: Final = {"amount": "2.5", "duration": "monthly", "strategy": "fixed"}


@pytest.fixture(autouse=True)
def no_memories() -> Iterator[None]:
    factories.forget_memories()
    yield
    factories.forget_memories()


def path_of(person: Person, prefix: str = "") -> str:
    return f"{prefix}/accounts/{person.account.public_id}/ai-gateway/billing/spending-limit"


def limits_now() -> list[Any]:
    return [*SpendingLimit.objects.order_by("id").values(), *LimitBucket.objects.order_by("id").values(), factories.books_now()]


@pytest.mark.parametrize("prefix", ["", "/client/v4"])
def test_the_gateway_s_limit_is_set_changed_read_and_taken_away(api: Api, cast: Cast, prefix: str) -> None:
    path = path_of(cast.alice, prefix)
    enveloped = {"success": True, "errors": [], "messages": []}

    assert api.get(path, cast.alice).json() == enveloped | {"result": NONE_SET}
    made = api.post(path, FIVE_DOLLARS, cast.alice)
    assert (made.status_code, made.json()) == (201, enveloped | {"result": {}})
    assert api.get(path, cast.alice).json()["result"] == {"config": FIVE_DOLLARS, "enabled": True}
    api.post(path, FIVE_DOLLARS | {"amount": 700, "duration": "weekly"}, cast.alice)
    assert api.get(path, cast.alice).json()["result"]["config"] == FIVE_DOLLARS | {"amount": 700, "duration": "weekly"}
    for _ in range(2):
        gone = api.delete(path, cast.alice)
        assert (gone.status_code, gone.json()) == (200, enveloped | {"result": {}})
    assert api.get(path, cast.alice).json()["result"] == NONE_SET


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 99},
        {"amount": 0},
        {"amount": -100},
        {"amount": 100.5},
        {"amount": 100.0},
        {"amount": "100"},
        {"amount": True},
        {"amount": None},
        {"amount": 10**12},
        {"duration": "hourly"},
        {"duration": None},
        {"strategy": "rolling"},
        {"currency": "USD"},
    ],
)
def test_a_limit_the_gateway_does_not_take_changes_nothing(api: Api, cast: Cast, change: dict[str, object]) -> None:
    api.post(path_of(cast.alice), FIVE_DOLLARS, cast.alice)
    before = limits_now()

    refused = api.post(path_of(cast.alice), FIVE_DOLLARS | change, cast.alice)

    assert refused.status_code == 400, refused.content
    assert f"{next(iter(change))}: " in refused.json()["errors"][0]["message"]
    assert limits_now() == before


@pytest.mark.parametrize("missing", ["amount", "duration", "strategy"])
def test_every_field_of_a_limit_is_required(api: Api, cast: Cast, missing: str) -> None:
    body = {name: value for name, value in FIVE_DOLLARS.items() if name != missing}

    assert api.post(path_of(cast.alice), body, cast.alice).status_code == 400
    assert not SpendingLimit.objects.exists()


@pytest.fixture
def key(cast: Cast) -> IssuedKey:
    return actors.customer_key(cast.alice)


def limit_of(key: IssuedKey) -> str:
    return f"/v1/api-keys/{key.key.public_id}/limit"


def test_a_key_s_limit_tells_what_it_spent_and_what_is_left(api: Api, cast: Cast, key: IssuedKey) -> None:
    price()
    factories.give(cast.alice.account, 10**12)
    report(cast.alice.account, "before", api_key=key.key.public_id)
    factories.end_of_transaction()
    report(cast.alice.account, "of-no-key")

    told = api.put(limit_of(key), KEY_LIMIT, cast.alice)

    assert told.status_code == 200
    shown = told.json()
    assert api.get(limit_of(key), cast.bob, x_account=cast.alice.account.public_id).json() == shown
    assert shown.pop("resets_at") > shown.pop("counts_since")
    assert shown == {
        "api_key": key.key.public_id,
        "enabled": True,
        "amount_nanos": "2500000000",
        "amount_usd": "2.50",
        "duration": "monthly",
        "strategy": "fixed",
        "used_nanos": "2500000",
        "used_usd": "0.0025",
        "remaining_nanos": "2497500000",
        "remaining_usd": "2.4975",
        "zone": "UTC",
    }


def test_a_key_without_a_limit_says_so(api: Api, cast: Cast, key: IssuedKey) -> None:
    shown = api.get(limit_of(key), cast.alice).json()

    assert (shown.pop("api_key"), shown.pop("enabled")) == (key.key.public_id, False)
    assert set(shown.values()) == {None}


def test_a_key_s_limit_is_taken_away_once_and_again(api: Api, cast: Cast, key: IssuedKey) -> None:
    api.put(limit_of(key), KEY_LIMIT, cast.alice)

    assert [api.delete(limit_of(key), cast.alice).status_code for _ in range(2)] == [204, 204]
    assert api.get(limit_of(key), cast.alice).json()["enabled"] is False


@pytest.mark.parametrize(
    "change",
    [
        {"amount": "-1"},
        {"amount": 2.5},
        {"amount": "2.5e1"},
        {"amount": "0.0000000001"},
        {"amount": "9999999999"},
        {"duration": "yearly"},
        {"strategy": ""},
        {"max": "1"},
    ],
)
def test_a_key_s_limit_that_is_none_changes_nothing(api: Api, cast: Cast, key: IssuedKey, change: dict[str, object]) -> None:
    api.put(limit_of(key), KEY_LIMIT, cast.alice)
    before = limits_now()

    assert api.put(limit_of(key), KEY_LIMIT | change, cast.alice).status_code == 400
    assert limits_now() == before


def test_who_may_read_a_limit_and_who_may_change_it(api: Api, cast: Cast, key: IssuedKey) -> None:
    reader = actors.customer_key(cast.alice, ["billing:read"])
    writer = actors.customer_key(cast.alice, ["billing:write"])
    none = actors.customer_key(cast.alice, ["usage:read"])
    platform = actors.platform_key()
    named = {"x_account": cast.alice.account.public_id}
    told = []
    for by, headers in ((cast.alice, {}), (cast.bob, named), (reader, {}), (writer, {}), (none, {}), (cast.charlie, named)):
        gateway, own = path_of(cast.alice), limit_of(key)
        told.append(
            (
                api.get(gateway, by).status_code,
                api.post(gateway, FIVE_DOLLARS, by).status_code,
                api.get(own, by, **headers).status_code,
                api.put(own, KEY_LIMIT, by, **headers).status_code,
                api.delete(own, by, **headers).status_code,
            )
        )

    assert told == [
        (200, 201, 200, 200, 204),
        (200, 403, 200, 403, 403),
        (200, 403, 200, 403, 403),
        (403, 201, 403, 200, 204),
        (403, 403, 403, 403, 403),
        (404, 404, 404, 404, 404),
    ]
    assert api.put(f"{limit_of(key)}?account={cast.alice.account.public_id}", KEY_LIMIT, platform).status_code == 200


def test_a_limit_names_the_person_who_set_it(api: Api, cast: Cast, key: IssuedKey) -> None:
    api.post(path_of(cast.alice), FIVE_DOLLARS, cast.alice)
    api.put(limit_of(key), KEY_LIMIT, actors.customer_key(cast.alice))

    acts = AuditRecord.objects.filter(act="set_limit").order_by("id")
    assert list(acts.values_list("account_id", "actor_id")) == [
        (cast.alice.account.pk, cast.alice.user.pk),
        (cast.alice.account.pk, None),
    ]


def test_a_key_of_another_account_is_not_found(api: Api, cast: Cast) -> None:
    foreign = actors.customer_key(cast.charlie)
    before = limits_now()

    answers = [api.send(method, limit_of(foreign), cast.alice, KEY_LIMIT) for method in ("GET", "PUT", "DELETE")]

    assert [answer.status_code for answer in answers] == [404, 404, 404]
    assert limits_now() == before
