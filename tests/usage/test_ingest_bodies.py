"""Bodies that are refused whole, callers that are refused, and the one bound of an account: nothing moves by any of them."""

import json
from typing import Any, Final

import pytest
from django.conf import settings

from accounts.services.api_keys import IssuedKey
from core.money import AMOUNT_MAX_NANOS
from credits.models import Wallet
from tests import actors, factories
from tests.actors import Cast
from tests.conftest import Api
from tests.factories import EVENTS_PATH, Event, event, post_events
from tests.spending import adjust, price
from usage.models import UsageEvent
from usage.rating import Prices

ONE_NANO: Final = Prices(10**6, 0, 0, 0, 0, request=0, image=0, second=0, multiplier_bp=10_000)
DEEP: Final = 100_000

BAD_BODIES: Final[dict[str, tuple[int, str, bytes]]] = {
    "nothing": (400, "malformed_json", b""),
    "not JSON": (400, "malformed_json", b"events please"),
    "an object": (400, "malformed_json", b'{"events": []}'),
    "null": (400, "malformed_json", b"null"),
    "NaN alone": (400, "malformed_json", b"NaN"),
    "an array that does not end": (400, "malformed_json", b'[{"event_id":"a"}'),
    "a string that does not end": (400, "malformed_json", b'[{"event_id":"a}]'),
    "a comma too many": (400, "malformed_json", b'[{"event_id":"a"},]'),
    "two arrays": (400, "malformed_json", b'[{"event_id":"a"}][{"event_id":"b"}]'),
    "an array closed twice": (400, "malformed_json", b'[{"event_id":"a"}]]'),
    "brackets that cross": (400, "malformed_json", b'[{"event_id":"a"]}'),
    "invalid UTF-8 before the array": (400, "malformed_json", b'\xff[{"event_id":"a"}]'),
    "invalid UTF-8 after the array": (400, "malformed_json", b'[{"event_id":"a"}]\xff'),
    "UTF-16": (400, "malformed_json", '[{"event_id":"a"}]'.encode("utf-16")),
    "a byte order mark": (400, "malformed_json", b'\xef\xbb\xbf[{"event_id":"a"}]'),
    "100,000 brackets open": (400, "malformed_json", b"[" * DEEP),
    "an empty array": (400, "empty_batch", b" [ ] "),
    "5,001 items": (400, "too_many_events", b"[" + b",".join([b"{}"] * 5_001) + b"]"),
    "5,001 items, one of them NaN": (400, "too_many_events", b"[" + b",".join([b"{}"] * 5_000 + [b"NaN"]) + b"]"),
    "50 MB": (413, "payload_too_large", b'["' + b"x" * 50_000_000 + b'"]'),
}


@pytest.mark.parametrize("name", BAD_BODIES)
def test_a_bad_body_is_refused_whole(api: Api, gateway_key: IssuedKey, name: str) -> None:
    status, code, body = BAD_BODIES[name]
    before = factories.books_now()
    answer = post_events(api, gateway_key, body)
    assert_refused(answer, status, code)
    assert factories.books_now() == before


def assert_refused(answer: Any, status: int, code: str) -> None:
    assert (answer.status_code, answer["Content-Type"]) == (status, "application/problem+json")
    told = answer.json()
    assert (told["status"], told["code"], told["request_id"]) == (status, code, answer["X-Request-Id"])


def test_5000_good_events_and_one_more_book_nothing(api: Api, gateway_key: IssuedKey, cast: Cast) -> None:
    price()
    before = factories.books_now()
    answer = post_events(api, gateway_key, [event(cast.alice.account) for _ in range(5_001)])
    assert_refused(answer, 400, "too_many_events")
    assert factories.books_now() == before


def test_5000_events_are_taken(api: Api, gateway_key: IssuedKey, cast: Cast) -> None:
    price("nano", ONE_NANO)
    batch = [event(cast.alice.account, model="nano", input_tokens=1) for _ in range(5_000)]
    assert post_events(api, gateway_key, batch).json() == {"accepted": 5_000, "duplicates": 0, "rejected": []}
    assert factories.balance_of(cast.alice.account) == -5_000


def test_100_000_brackets_closed_are_one_bad_item(api: Api, gateway_key: IssuedKey) -> None:
    answer = post_events(api, gateway_key, b"[" * DEEP + b"]" * DEEP).json()
    assert [(refused["index"], refused["code"]) for refused in answer["rejected"]] == [(0, "invalid_event")]


def test_invalid_utf8_between_items_spoils_the_item_beside_it_only(api: Api, gateway_key: IssuedKey, cast: Cast) -> None:
    price()
    first, second = (json.dumps(event(cast.alice.account, name)).encode() for name in ("one", "two"))
    answer = post_events(api, gateway_key, b"[" + first + b",\xff" + second + b"]").json()
    assert (answer["accepted"], [refused["code"] for refused in answer["rejected"]]) == (1, ["malformed_event"])


def test_brackets_and_commas_in_strings_shape_nothing(api: Api, gateway_key: IssuedKey, cast: Cast) -> None:
    price()
    said = event(cast.alice.account, 'a"],[{}\\', metadata={'\\"': '\\"},{"[', "x": "]"})
    body = b"[NaN," + json.dumps(said).encode() + b"]"
    answer = post_events(api, gateway_key, body).json()
    assert (answer["accepted"], [refused["index"] for refused in answer["rejected"]]) == (1, [0])
    assert UsageEvent.objects.get().event_id == said["event_id"]


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_another_content_type_is_refused(api: Api, gateway_key: IssuedKey, cast: Cast, content_type: str) -> None:
    price()
    before = factories.books_now()
    body = json.dumps([event(cast.alice.account)])
    sent = {"authorization": f"Bearer {gateway_key.secret}"}
    answer = api.client.generic("POST", EVENTS_PATH, body, content_type=content_type, headers=sent)
    assert_refused(answer, 415, "unsupported_media_type")
    assert factories.books_now() == before


def test_nobody_but_the_platforms_gateways_reports_usage(api: Api, cast: Cast) -> None:
    price()
    batch = [event(cast.alice.account)]
    adjust(cast.alice.account, 1)
    before = factories.books_now()
    callers: list[tuple[Any, int, str]] = [
        (None, 401, "not_authenticated"),
        ("sk_platform_" + "x" * 43, 401, "not_authenticated"),
        (cast.alice, 403, "platform_key_required"),
        (actors.customer_key(cast.alice), 403, "platform_key_required"),
        (actors.platform_key(("usage:read", "billing:read")), 403, "missing_scope"),
    ]
    for caller, status, code in callers:
        assert_refused(api.post(EVENTS_PATH, batch, caller), status, code)
        assert_refused(api.post(EVENTS_PATH, b"not json", caller), status, code)
    assert factories.books_now() == before


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_events_are_posted_and_nothing_else(api: Api, gateway_key: IssuedKey, method: str) -> None:
    assert_refused(api.send(method, EVENTS_PATH, gateway_key), 405, "method_not_allowed")


def test_the_limit_of_a_body_holds_5000_long_events(api: Api, gateway_key: IssuedKey, cast: Cast) -> None:
    longest = event(cast.alice.account, "x" * 128, endpoint="e" * 64, metadata={"a": "x" * 1_000})
    assert len(json.dumps(longest)) * 5_000 < settings.BODY_LIMIT_BYTES


def test_what_would_overflow_one_account_is_refused_and_everything_else_is_booked(api: Api, gateway_key: IssuedKey, cast: Cast) -> None:
    price("nano", ONE_NANO)
    full, other = cast.alice.account, cast.charlie.account
    adjust(full, AMOUNT_MAX_NANOS)
    adjust(full, -(AMOUNT_MAX_NANOS - 100))
    adjust(other, 10**9)

    def nanos(account: Any, event_id: str, amount: int) -> Event:
        return event(account, event_id, model="nano", input_tokens=amount)

    batch = [
        nanos(other, "a", 7),
        nanos(full, "fits", 60),
        nanos(full, "overflows", 41),
        nanos(full, "overflows", 41),
        nanos(full, "fits too", 40) | {"event_id": "fits-too"},
        nanos(full, "full", 1),
        nanos(full, "nothing", 0),
        nanos(other, "b", 8),
    ]
    answer = post_events(api, gateway_key, batch).json()
    assert (answer["accepted"], answer["duplicates"]) == (5, 0)
    refused = [(told["index"], told["event_id"], told["code"]) for told in answer["rejected"]]
    assert refused == [(2, "overflows", "spent_out_of_range"), (3, "overflows", "spent_out_of_range"), (5, "full", "spent_out_of_range")]
    assert Wallet.objects.get(pk=full.pk).spent_nanos == AMOUNT_MAX_NANOS
    assert factories.balance_of(other) == 10**9 - 15
    assert factories.disagreements() == []

    before = factories.books_now()
    again = post_events(api, gateway_key, batch).json()
    assert (again["accepted"], again["duplicates"], len(again["rejected"])) == (0, 5, 3)
    assert factories.books_now() == before
