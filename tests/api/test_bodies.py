"""What is refused about a body before any view looks at it."""

import http.client
import io
import logging

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from pytest_django import Settings

from core.api.parsing import MAX_DEPTH, parse_json
from core.errors import InvalidInput
from core.middleware import BodyLimitMiddleware, RequestIdFilter, without_secrets
from tests.conftest import Api


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not JSON"),
        (b"{", "not JSON"),
        (b'{"a": 1} x', "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'{"a": "\xff"}', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b'\xef\xbb\xbf{"a": 1}', "not JSON"),
        (b'{"a": NaN}', "NaN is not a JSON number"),
        (b'{"a": Infinity}', "Infinity is not"),
        (b'{"a": -Infinity}', "-Infinity is not"),
        (b'{"a": 1e999}', "out of range"),
        (b'{"a": 1, "a": 2}', "twice"),
        (b'{"a": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"a": "\\ud800"}', "surrogate"),
        (b'{"a": ["x", {"b": "\\udfff"}]}', "surrogate"),
        (b"[" * (MAX_DEPTH + 2) + b"]" * (MAX_DEPTH + 2), "nested"),
        (b"[" * 100_000, "nested"),
        (b"[" * 100_000 + b"]" * 100_000, "nested"),
        (b"1" * 5000, "not JSON"),
    ],
)
def test_a_body_that_is_not_strict_json_is_refused(raw: bytes, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as caught:
        parse_json(raw)
    assert caught.value.stable_code == "malformed_json"


@pytest.mark.parametrize(
    ("raw", "data"),
    [
        (b'{"a": "\\ud83d\\ude00"}', {"a": "\U0001f600"}),
        ('{"ä": "ß"}'.encode(), {"ä": "ß"}),
        (b" [1, 2.5, null, true] ", [1, 2.5, None, True]),
        (b"[" * MAX_DEPTH + b"]" * MAX_DEPTH, None),
    ],
)
def test_strict_json_is_read(raw: bytes, data: object) -> None:
    assert data is None or parse_json(raw) == data
    parse_json(raw)


@pytest.mark.django_db
@pytest.mark.parametrize("raw", [b"{", b'{"email": NaN}', b"\xff", b'{"email": "\\u0000"}', b"[" * 100_000])
def test_a_malformed_body_is_a_400_over_http(api: Api, raw: bytes) -> None:
    answer = api.post("/auth/token", raw)

    assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json")


@pytest.mark.django_db
@pytest.mark.parametrize("raw", [b"[]", b'"text"', b"1", b"null"])
def test_a_body_that_is_no_object_is_a_400(api: Api, raw: bytes) -> None:
    answer = api.post("/auth/token", raw)

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_input")


@pytest.mark.django_db
def test_no_body_at_all_is_a_400_that_names_the_fields(api: Api) -> None:
    answer = api.post("/auth/token")

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["email", "password"]


@pytest.mark.parametrize(
    ("path", "code"),
    [("/auth/token", b'"payload_too_large"'), ("/credits/x", b'"payload_too_large"'), ("/accounts/x", b"[payload_too_large")],
)
def test_a_body_over_the_limit_is_a_413_in_the_dialect(api: Api, settings: Settings, path: str, code: bytes) -> None:
    settings.BODY_LIMIT_BYTES = 1000

    answer = api.post(path, b" " * 1001)

    assert answer.status_code == 413
    assert code in answer.content
    assert answer["X-Request-Id"].encode() in answer.content


@pytest.mark.parametrize("chunked", [False, True])
def test_a_fifty_megabyte_body_hears_its_413_from_the_web_server(web_address: str, chunked: bool) -> None:  # noqa: FBT001
    connection = http.client.HTTPConnection(web_address, timeout=60)
    piece = b"x" * 1_000_000
    length = {} if chunked else {"Content-Length": str(50 * len(piece))}

    connection.request(
        "POST",
        "/client/v4/accounts/x",
        (piece for _ in range(50)),
        {"Content-Type": "application/json", **length},
        encode_chunked=chunked,
    )
    answer = connection.getresponse()

    assert answer.status == 413
    assert b"payload_too_large" in answer.read()
    connection.close()


def test_a_chunked_body_is_understood_by_the_web_server(web_address: str) -> None:
    connection = http.client.HTTPConnection(web_address, timeout=60)

    connection.request("POST", "/auth/token", iter([b'{"email": ', b"NaN}"]), {"Content-Type": "application/json"}, encode_chunked=True)
    answer = connection.getresponse()

    assert answer.status == 400
    assert b"malformed_json" in answer.read()
    connection.close()


class ChunkedInput(io.BytesIO):
    """What gunicorn hands over for a chunked body: a stream that ends by itself."""


def chunked_request(body: bytes) -> HttpRequest:
    request = RequestFactory().post("/auth/token", content_type="application/json")
    request.META |= {"HTTP_TRANSFER_ENCODING": "chunked", "wsgi.input": ChunkedInput(body), "wsgi.input_terminated": True}
    del request.META["CONTENT_LENGTH"]
    return request


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body)


def test_a_chunked_body_is_read() -> None:
    answer = BodyLimitMiddleware(echo)(chunked_request(b'{"a": 1}'))

    assert isinstance(answer, HttpResponse)
    assert answer.content == b'{"a": 1}'


def test_a_chunked_body_over_the_limit_is_a_413(settings: Settings) -> None:
    settings.BODY_LIMIT_BYTES = 1000
    request = chunked_request(b"x" * 10_000)

    answer = BodyLimitMiddleware(echo)(request)

    assert answer.status_code == 413
    assert request.META["wsgi.input"].tell() == 10_000


@pytest.mark.parametrize(
    "text",
    [
        "key sk_AbCdEf123456-_x was used",
        "key sk_platform_AbCdEf123456 was used",
        "Bearer eyJhbGciOi.eyJ1c2VyX2.c2lnbmF0dXJl",
        "invite inv_abcdefgh12345",
    ],
)
def test_secrets_are_cut_out_of_log_lines(text: str) -> None:
    record = logging.LogRecord("x", logging.INFO, "x", 1, "said: %s", (text,), None)

    RequestIdFilter().filter(record)

    assert "[secret]" in record.getMessage()
    assert not any(part in record.getMessage() for part in ("AbCdEf", "eyJ", "abcdefgh"))


def test_other_words_stay_in_log_lines() -> None:
    assert without_secrets("task_id of risk_manager, eyJ alone") == "task_id of risk_manager, eyJ alone"
