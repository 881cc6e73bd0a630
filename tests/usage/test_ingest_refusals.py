"""Every bad call gets its documented code, alone; the good ones beside it are booked, and of the bad one nothing is."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta, timezone
from typing import Final

import pytest

from accounts.services.account import close_account
from accounts.services.api_keys import IssuedKey, revoke_api_key
from core import clock
from tests import actors, factories
from tests.actors import Cast, Person
from tests.conftest import Api
from tests.factories import Event, event, post_events
from tests.spending import adjust, price
from usage.models import AiModel, UsageEvent
from usage.rating import Prices

GOOD_COST: Final = 1_000 * 2_500
TOO_DEEP: Final = b"[" * 100_000 + b"]" * 100_000
BadItem = Callable[["Shop"], Event | bytes]


@dataclass(frozen=True)
class Shop:
    """Two customers, a gateway, and models with and without a price."""

    alice: Person
    charlie: Person
    foreign_key: IssuedKey

    def call(self, event_id: str, **said: object) -> Event:
        return event(self.alice.account, event_id, **{"input_tokens": 1_000, **said})

    def raw(self, field: bytes, event_id: bytes = b"bad") -> bytes:
        """An item with a piece of JSON that json.dumps would not write."""
        start = b'{"account":"%s","model":"gpt-4o","event_id":"%s",' % (self.alice.account.public_id.encode(), event_id)
        return start + field + b"}"


@pytest.fixture
def shop(cast: Cast) -> Shop:
    price("gpt-4o")
    price("picture", Prices(0, 0, 0, 0, 0, request=0, image=10**15, second=0, multiplier_bp=10_000))
    price("young", since=clock.now() - timedelta(hours=1))
    AiModel.objects.create(code="no-price", name="No price")
    adjust(cast.alice.account, 10**9)
    return Shop(cast.alice, cast.charlie, actors.customer_key(cast.charlie))


BAD_ITEMS: Final[dict[str, tuple[str, BadItem]]] = {
    "unknown model": ("unknown_model", lambda shop: shop.call("bad", model="gpt-none")),
    "model without a price": ("unpriced_model", lambda shop: shop.call("bad", model="no-price")),
    "model without a price then": (
        "unpriced_model",
        lambda shop: shop.call("bad", model="young", occurred_at=(clock.now() - timedelta(hours=2)).isoformat()),
    ),
    "negative tokens": ("invalid_event", lambda shop: shop.call("bad", input_tokens=-1)),
    "negative requests": ("invalid_event", lambda shop: shop.call("bad", requests=-1)),
    "tokens over 2^31": ("invalid_event", lambda shop: shop.call("bad", output_tokens=2**31 + 1)),
    "2^62 tokens": ("invalid_event", lambda shop: shop.call("bad", input_tokens=2**62)),
    "2^64 tokens": ("invalid_event", lambda shop: shop.call("bad", input_tokens=2**64)),
    "2^70 tokens": ("invalid_event", lambda shop: shop.call("bad", input_tokens=2**70)),
    "tokens of 5,000 digits": ("invalid_event", lambda shop: shop.raw(b'"input_tokens":' + b"9" * 5_000)),
    "half a token": ("invalid_event", lambda shop: shop.call("bad", input_tokens=0.5)),
    "whole token as a float": ("invalid_event", lambda shop: shop.call("bad", input_tokens=1.0)),
    "tokens as text": ("invalid_event", lambda shop: shop.call("bad", input_tokens="1")),
    "tokens as truth": ("invalid_event", lambda shop: shop.call("bad", input_tokens=True)),
    "tokens null": ("invalid_event", lambda shop: shop.call("bad", input_tokens=None)),
    "more than a million dollars": ("cost_out_of_range", lambda shop: shop.call("bad", model="picture", images=2)),
    "NaN": ("malformed_event", lambda shop: shop.raw(b'"input_tokens":NaN')),
    "Infinity in metadata": ("malformed_event", lambda shop: shop.raw(b'"metadata":{"a":-Infinity}')),
    "a number beyond floats": ("invalid_event", lambda shop: shop.raw(b'"metadata":{"a":1e400}')),
    "invalid UTF-8 in metadata": ("malformed_event", lambda shop: shop.raw(b'"metadata":{"a":"\xff"}')),
    "invalid UTF-8 in a name": ("malformed_event", lambda shop: shop.raw(b'"\xff":1')),
    "a surrogate in UTF-8": ("malformed_event", lambda shop: shop.raw(b'"metadata":{"a":"\xed\xa0\x80"}')),
    "half a surrogate pair": ("malformed_event", lambda shop: shop.raw(b'"metadata":{"a":"\\ud800"}')),
    "half a surrogate pair in the id": ("malformed_event", lambda shop: shop.raw(b'"requests":1', b"\\udc00")),
    "raw NUL in the id": ("malformed_event", lambda shop: shop.raw(b'"requests":1', b"a\0b")),
    "raw NUL in metadata": ("malformed_event", lambda shop: shop.raw(b'"metadata":{"a":"\0"}')),
    "raw newline in the endpoint": ("malformed_event", lambda shop: shop.raw(b'"endpoint":"a\nb"')),
    "nested 100,000 deep": ("invalid_event", lambda shop: shop.raw(b'"metadata":{"a":' + TOO_DEEP + b"}")),
    "a name without a value": ("malformed_event", lambda shop: shop.raw(b'"requests"')),
    "NUL in the id": ("invalid_event", lambda shop: shop.call("a\0b")),
    "NUL in the endpoint": ("invalid_event", lambda shop: shop.call("bad", endpoint="a\0b")),
    "NUL in metadata": ("invalid_event", lambda shop: shop.call("bad", metadata={"a": "x\0"})),
    "NUL in a metadata name": ("invalid_event", lambda shop: shop.call("bad", metadata={"\0": "x"})),
    "newline in the id": ("invalid_event", lambda shop: shop.call("a\nb")),
    "newline after the id": ("invalid_event", lambda shop: shop.call("ab\n")),
    "tab in the id": ("invalid_event", lambda shop: shop.call("a\tb")),
    "space in the id": ("invalid_event", lambda shop: shop.call("a b")),
    "letters beyond ASCII in the id": ("invalid_event", lambda shop: shop.call("é")),
    "an id of 129": ("invalid_event", lambda shop: shop.call("x" * 129)),
    "an empty id": ("invalid_event", lambda shop: shop.raw(b'"requests":1', b"")),
    "no id": ("invalid_event", lambda shop: {"account": shop.alice.account.public_id, "model": "gpt-4o"}),
    "tab in the endpoint": ("invalid_event", lambda shop: shop.call("bad", endpoint="a\tb")),
    "an endpoint of 65": ("invalid_event", lambda shop: shop.call("bad", endpoint="x" * 65)),
    "nested metadata": ("invalid_event", lambda shop: shop.call("bad", metadata={"a": {"b": 1}})),
    "long metadata": ("invalid_event", lambda shop: shop.call("bad", metadata={"a": "x" * 2_048})),
    "metadata as a list": ("invalid_event", lambda shop: shop.call("bad", metadata=["a"])),
    "an unknown field": ("invalid_event", lambda shop: shop.call("bad", price=1)),
    "a cost as a number": ("invalid_event", lambda shop: shop.call("bad", cost=1)),
    "a negative cost": ("invalid_event", lambda shop: shop.call("bad", cost="-0.01")),
    "a cost with an exponent": ("invalid_event", lambda shop: shop.call("bad", cost="1e-3")),
    "a cost finer than a nano": ("invalid_event", lambda shop: shop.call("bad", cost="0.0000000001")),
    "a cost over a million dollars": ("cost_out_of_range", lambda shop: shop.call("bad", cost="1000000.000000001")),
    "a cost of an unknown model": ("unknown_model", lambda shop: shop.call("bad", cost="0.01", model="gpt-none")),
    "an absurd count of everything": (
        "cost_out_of_range",
        lambda shop: shop.call("bad", model="picture", **dict.fromkeys(("output_tokens", "requests", "images", "seconds"), 2**31)),
    ),
    "an unknown status": ("invalid_event", lambda shop: shop.call("bad", status="refunded")),
    "not an object": ("invalid_event", lambda _shop: b'"text"'),
    "null": ("invalid_event", lambda _shop: b"null"),
    "a time in 1970": ("occurred_at_too_old", lambda shop: shop.call("bad", occurred_at="1970-01-01T00:00:00Z")),
    "a time in 2100": ("occurred_at_in_future", lambda shop: shop.call("bad", occurred_at="2100-01-01T00:00:00Z")),
    "a time before the calendar": (
        "occurred_at_too_old",
        lambda shop: shop.call("bad", occurred_at="0001-01-01T00:00:00+14:00"),
    ),
    "a time after the calendar": (
        "occurred_at_in_future",
        lambda shop: shop.call("bad", occurred_at="9999-12-31T23:59:59-14:00"),
    ),
    "a time without a zone": ("invalid_event", lambda shop: shop.call("bad", occurred_at="2026-01-01T00:00:00")),
    "a time that is none": ("invalid_event", lambda shop: shop.call("bad", occurred_at="yesterday")),
    "a time as a number": ("invalid_event", lambda shop: shop.call("bad", occurred_at=1_767_225_600)),
    "an unknown account": ("unknown_account", lambda shop: shop.call("bad", account="0" * 32)),
    "an account by number": ("invalid_event", lambda shop: shop.call("bad", account=str(shop.alice.account.pk))),
    "an account in capitals": ("invalid_event", lambda shop: shop.call("bad", account="A" * 32)),
    "a key of another account": (
        "unknown_api_key",
        lambda shop: shop.call("bad", api_key=shop.foreign_key.key.public_id),
    ),
    "an unknown key": ("unknown_api_key", lambda shop: shop.call("bad", api_key="0" * 32)),
    "a key's secret": ("invalid_event", lambda shop: shop.call("bad", api_key=shop.foreign_key.secret)),
    "a hold": ("unknown_hold", lambda shop: shop.call("bad", hold="hold_1")),
}


@pytest.mark.parametrize("name", BAD_ITEMS)
def test_a_bad_call_is_refused_alone(api: Api, gateway_key: IssuedKey, shop: Shop, name: str) -> None:
    code, make = BAD_ITEMS[name]
    item = make(shop)
    written = item if isinstance(item, bytes) else json.dumps(item).encode()
    before = factories.books_now()

    alone = post_events(api, gateway_key, b"[" + written + b"]")
    assert alone.status_code == 200, alone.content
    assert (alone.json()["accepted"], [refused["code"] for refused in alone.json()["rejected"]]) == (0, [code])
    assert factories.books_now() == before

    good = [json.dumps(shop.call(event_id)).encode() for event_id in ("one", "two")]
    between = post_events(api, gateway_key, b"[" + b" , ".join([good[0], written, good[1]]) + b"]").json()
    assert (between["accepted"], between["duplicates"]) == (2, 0)
    assert [(refused["index"], refused["code"]) for refused in between["rejected"]] == [(1, code)]
    assert between["rejected"][0]["message"].endswith(".")
    assert sorted(UsageEvent.objects.values_list("event_id", flat=True)) == ["one", "two"]
    assert factories.balance_of(shop.alice.account) == 10**9 - 2 * GOOD_COST
    assert factories.disagreements() == []


def test_every_bad_call_at_once_is_refused_by_its_own_code_and_the_good_ones_between_them_are_booked(
    api: Api, gateway_key: IssuedKey, shop: Shop
) -> None:
    items: list[bytes] = []
    expected: list[tuple[int, str]] = []
    for number, (code, make) in enumerate(BAD_ITEMS.values()):
        bad = make(shop)
        expected.append((len(items), code))
        items += [bad if isinstance(bad, bytes) else json.dumps(bad).encode(), json.dumps(shop.call(f"good-{number}")).encode()]
    answer = post_events(api, gateway_key, b"[" + b",".join(items) + b"]").json()
    assert (answer["accepted"], answer["duplicates"]) == (len(BAD_ITEMS), 0)
    assert [(refused["index"], refused["code"]) for refused in answer["rejected"]] == expected
    assert factories.balance_of(shop.alice.account) == 10**9 - len(BAD_ITEMS) * GOOD_COST
    assert factories.disagreements() == []


ODD_BUT_GOOD: Final[dict[str, Event]] = {
    "COPY's end of data as an id": {"event_id": "\\."},
    "COPY's null as an id": {"event_id": "\\N"},
    "backslashes": {"event_id": "a\\tb\\\\n\\", "endpoint": "\\N", "metadata": {"\\": "\\N", "a": "\\u0000"}},
    "quotes": {"event_id": "\"'$$;--", "endpoint": "%s%%(x)s{}", "metadata": {'"': "'"}},
    "controls in metadata": {"metadata": {"a": "tab\t line\n return\r bell\x07 escape\x1b delete\x7f", "\n": 1}},
    "all of Unicode in metadata": {"metadata": {"é": "\u2028\ud7ff\ue000\ufffd\U0001f600"}},
    "the longest id": {"event_id": "x" * 128},
    "the longest endpoint": {"endpoint": "x" * 64},
    "the longest metadata": {"metadata": {"a": "x" * 2_040}},
    "empty metadata": {"metadata": {}},
    "numbers in metadata": {"metadata": {"a": -0.5, "b": 1e-300, "c": 2**63, "d": True, "e": None, "f": ""}},
    "2^31 tokens": {"output_tokens": 2**31},
    "nothing used": {"requests": 0},
    "five minutes ahead": {"occurred_at": "ahead"},
    "ninety days ago": {"occurred_at": "ago", "model": "old"},
    "another zone's time": {"occurred_at": "zoned"},
}


@pytest.mark.parametrize("name", ODD_BUT_GOOD)
def test_an_odd_call_is_kept_as_it_was_said(api: Api, gateway_key: IssuedKey, shop: Shop, name: str) -> None:
    now = clock.now()
    price("old", since=now - timedelta(days=100))
    instants = {
        "ahead": now + timedelta(minutes=4, seconds=50),
        "ago": now - timedelta(days=89, hours=23),
        "zoned": (now - timedelta(hours=1)).astimezone(timezone(timedelta(hours=13))),
    }
    said = shop.call("odd") | ODD_BUT_GOOD[name]
    occurred_at = instants.get(str(said.get("occurred_at")))
    if occurred_at is not None:
        said["occurred_at"] = occurred_at.isoformat()
    for expected in ({"accepted": 1, "duplicates": 0}, {"accepted": 0, "duplicates": 1}):
        assert post_events(api, gateway_key, [said]).json() == expected | {"rejected": []}
    kept = UsageEvent.objects.get()
    assert (kept.event_id, kept.endpoint) == (said["event_id"], said.get("endpoint", ""))
    assert kept.metadata == (said.get("metadata") or None)
    assert kept.occurred_at == (occurred_at or kept.created_at)
    assert factories.disagreements() == []


def test_the_refused_are_told_by_place_and_id(api: Api, gateway_key: IssuedKey, shop: Shop) -> None:
    items = [b'{"event_id":"a","zz":1}', b'{"event_id":7}', b'{"event_id":"b","metadata":"\xff"}', b"[1]", b'{"event_id":NaN}']
    answer = post_events(api, gateway_key, b"[" + b",".join(items) + b"]").json()
    assert [(refused["index"], refused["event_id"]) for refused in answer["rejected"]] == [
        (0, "a"),
        (1, None),
        (2, "b"),
        (3, None),
        (4, None),
    ]


def test_an_id_said_twice_in_a_batch_is_charged_once(api: Api, gateway_key: IssuedKey, shop: Shop) -> None:
    again = [shop.call("same"), shop.call("same"), shop.call("same") | {"requests": 1, "status": "success"}]
    answer = post_events(api, gateway_key, again).json()
    assert answer == {"accepted": 1, "duplicates": 2, "rejected": []}
    assert factories.balance_of(shop.alice.account) == 10**9 - GOOD_COST


def test_an_id_said_twice_with_other_content_is_a_conflict_and_the_first_stands(api: Api, gateway_key: IssuedKey, shop: Shop) -> None:
    batch = [shop.call("same"), shop.call("other"), shop.call("same", output_tokens=1)]
    answer = post_events(api, gateway_key, batch).json()
    assert (answer["accepted"], [(it["index"], it["code"]) for it in answer["rejected"]]) == (2, [(2, "event_id_conflict")])
    before = factories.books_now()
    answer = post_events(api, gateway_key, list(reversed(batch))).json()
    assert (answer["accepted"], answer["duplicates"]) == (0, 2)
    assert [(it["index"], it["event_id"], it["code"]) for it in answer["rejected"]] == [(0, "same", "event_id_conflict")]
    assert factories.books_now() == before


def test_the_same_id_of_two_accounts_is_two_calls(api: Api, gateway_key: IssuedKey, shop: Shop) -> None:
    batch = [shop.call("same"), event(shop.charlie.account, "same", input_tokens=1)]
    assert post_events(api, gateway_key, batch).json()["accepted"] == 2
    assert factories.balance_of(shop.charlie.account) == -2_500


@pytest.mark.parametrize(
    "change",
    [
        {"status": "failed"},
        {"model": "young"},
        {"endpoint": "/x"},
        {"metadata": {"a": 1}},
        {"occurred_at": "2100-01-01T00:00:00Z"},
        {"requests": 2},
        {"seconds": 1},
        {"cache_read_tokens": 1},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_known_id_with_any_other_content_never_moves_anything(api: Api, gateway_key: IssuedKey, shop: Shop, change: Event) -> None:
    post_events(api, gateway_key, [shop.call("known")])
    before = factories.books_now()
    answer = post_events(api, gateway_key, [shop.call("known") | change]).json()
    expected = "occurred_at_in_future" if "occurred_at" in change else "event_id_conflict"
    assert [refused["code"] for refused in answer["rejected"]] == [expected]
    assert factories.books_now() == before


def test_usage_of_a_closed_account_and_of_a_revoked_key_happened_and_is_booked(api: Api, gateway_key: IssuedKey, shop: Shop) -> None:
    key = actors.customer_key(shop.alice).key
    revoke_api_key(key_id=key.pk, now=clock.now())
    operator = actors.make_operator("closer@example.com")
    close_account(account_id=shop.alice.account.pk, actor_id=operator.pk, reason="Tests.", now=clock.now())
    answer = post_events(api, gateway_key, [shop.call("late", api_key=key.public_id)]).json()
    assert (answer["accepted"], answer["rejected"]) == (1, [])
    assert factories.balance_of(shop.alice.account) == 10**9 - GOOD_COST
