"""Every error in its dialect's shape, with the request id in header and body; also where no view answers."""

import json
import logging
from collections.abc import Mapping

import psycopg
import pytest
from django.db import InterfaceError, OperationalError
from django.http import HttpRequest
from django.test import RequestFactory
from prometheus_client import REGISTRY
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from core import errors
from core.api.dialects import BILLING, GATEWAY, PROBLEM, Dialect
from core.api.exception_handler import STATUS_OF, refusal_of
from core.api.views import ApiView
from core.errors import BillingError, InvariantViolation
from tests.actors import Person, customer_key
from tests.conftest import Answer, Api

SHAPES = {
    "/v1/nothing": "problem",
    "/auth/nothing": "problem",
    "/api-account/nothing": "problem",
    "/nothing": "problem",
    "/credits/nothing": "billing",
    "/orders/nothing": "billing",
    "/subscription/nothing": "billing",
    "/checkin/nothing": "billing",
    "/payment/nothing": "billing",
    "/accounts/nothing": "gateway",
    "/client/v4/accounts/nothing": "gateway",
    "/client/v4/user": "gateway",
}


def check_shape(shape: str, answer: Answer, status: int, code: str) -> None:
    body = json.loads(answer.content)
    request_id = answer["X-Request-Id"]
    assert answer.status_code == status
    assert answer["Content-Type"] == ("application/problem+json" if shape == "problem" else "application/json")
    if shape == "problem":
        assert {"type", "title", "status", "detail", "code", "request_id"} <= set(body)
        assert (body["status"], body["code"], body["request_id"]) == (status, code, request_id)
    elif shape == "billing":
        assert set(body) == {"success", "error"}
        assert body["success"] is False
        assert set(body["error"]) == {"code", "message", "details", "request_id"}
        assert (body["error"]["code"], body["error"]["request_id"]) == (code, request_id)
    else:
        assert set(body) == {"result", "success", "errors", "messages"}
        assert (body["result"], body["success"], body["messages"]) == (None, False, [])
        assert all(set(error) == {"code", "message"} and isinstance(error["code"], int) for error in body["errors"])
        assert f"[{code}, request {request_id}]" in body["errors"][0]["message"]


@pytest.mark.parametrize(("path", "shape"), SHAPES.items())
def test_an_unknown_path_is_refused_in_the_dialect_of_its_place(api: Api, path: str, shape: str) -> None:
    check_shape(shape, api.get(path), 404, "not_found")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "shape"),
    [
        ("/v1/account", "problem"),
        ("/credits/balance", "billing"),
        (f"/accounts/{'f' * 32}/ai-gateway/billing/credit-balance", "gateway"),
        (f"/client/v4/accounts/{'f' * 32}/ai-gateway/billing/credit-balance", "gateway"),
    ],
)
def test_who_does_not_say_who_they_are_is_refused_in_the_dialect(api: Api, path: str, shape: str) -> None:
    check_shape(shape, api.get(path), 401, "not_authenticated")


@pytest.mark.parametrize("path", ["/v1/account/", "/auth/token/", "/healthz/"])
def test_an_extra_slash_is_a_404_and_never_a_redirect(api: Api, path: str) -> None:
    assert api.post(path, {}).status_code == 404


@pytest.mark.django_db
def test_a_method_that_a_path_has_not_is_a_405(api: Api, alice: Person) -> None:
    check_shape("problem", api.delete("/v1/account", alice), 405, "method_not_allowed")


@pytest.mark.django_db
def test_another_content_type_is_a_415(api: Api) -> None:
    answer = api.client.post("/auth/token", {"email": "a@example.com", "password": "x"})

    check_shape("problem", answer, 415, "unsupported_media_type")


def test_a_careless_accept_header_is_no_error(api: Api) -> None:
    assert api.get("/healthz", accept="text/html").status_code == 200


def test_a_host_that_is_not_ours_is_refused_in_the_dialect(api: Api) -> None:
    answer = api.get("/credits/nothing", host="evil.example.com")

    check_shape("billing", answer, 400, "bad_request")


class Thrower(ApiView):
    """A view that meets what it was given."""

    authentication_classes = ()
    permission_classes = ()
    throttle_classes = ()
    error: Exception = ValueError("Nothing was given.")

    def get(self, request: Request) -> Response:
        raise self.error


def thrown(error: Exception, dialect: Dialect = PROBLEM) -> Answer:
    request: HttpRequest = RequestFactory().get("/")
    return Thrower.as_view(error=error, dialect=dialect)(request)


def every_error(kind: type[BillingError] = BillingError) -> list[type[BillingError]]:
    """Each class of the tree, whichever app it comes from."""
    found = [kind] if kind is not BillingError else []
    return found + [other for below in kind.__subclasses__() for other in every_error(below)]


@pytest.mark.parametrize("kind", every_error(), ids=lambda kind: kind.__name__)
def test_every_foreseen_error_has_a_status_and_its_own_code(kind: type[BillingError]) -> None:
    answer = thrown(kind("Something to do."))

    assert answer.status_code == next(STATUS_OF[base] for base in kind.__mro__ if base in STATUS_OF)
    assert json.loads(answer.content)["code"] == kind.code
    assert kind.code.isidentifier()
    assert kind.code == kind.code.lower()


def test_no_two_errors_share_a_code() -> None:
    codes = [kind.code for kind in every_error()]

    assert len(codes) == len(set(codes))


@pytest.mark.parametrize(("dialect", "place"), [(PROBLEM, None), (BILLING, "details")])
def test_the_facts_of_a_refusal_are_told(dialect: Dialect, place: str | None) -> None:
    error = errors.Unaffordable("Buy credits.", available="0.00", held="5.00")

    body = json.loads(thrown(error, dialect).content)

    told: Mapping[str, object] = body if place is None else body["error"][place]
    assert (told["available"], told["held"]) == ("0.00", "5.00")


def test_the_facts_never_hide_what_the_shape_says() -> None:
    body = json.loads(thrown(errors.Conflict("No.", status="captured", title="x")).content)

    assert (body["status"], body["title"]) == (409, "Conflict")


def test_bad_fields_are_told_one_by_one_with_dotted_paths() -> None:
    nested = ValidationError({"lines": [{}, {"amount": ["Too small."]}], "non_field_errors": ["Whole."], "name": ["A.", "B."]})

    body = json.loads(thrown(nested).content)

    assert [(error["field"], error["message"]) for error in body["errors"]] == [
        ("lines.1.amount", "Too small."),
        ("", "Whole."),
        ("name", "A."),
        ("name", "B."),
    ]


def test_the_gateway_tells_each_bad_field_as_an_error() -> None:
    body = json.loads(thrown(ValidationError({"amount": ["Too small."], "currency": ["Unknown."]}), GATEWAY).content)

    assert [(error["code"], error["message"].split(" [")[0]) for error in body["errors"]] == [
        (1400, "amount: Too small."),
        (1400, "currency: Unknown."),
    ]


@pytest.mark.parametrize(("status", "number"), [(401, 10000), (403, 10000), (404, 7003), (402, 1402), (409, 1409), (503, 1503)])
def test_the_gateway_numbers_its_errors(status: int, number: int) -> None:
    kind = next(kind for kind, found in STATUS_OF.items() if found == status)

    assert json.loads(thrown(kind("No."), GATEWAY).content)["errors"][0]["code"] == number


@pytest.mark.parametrize("dialect", [PROBLEM, BILLING, GATEWAY], ids=lambda dialect: dialect.name)
@pytest.mark.parametrize("error", [ValueError("secret words"), InvariantViolation("secret words")])
def test_an_error_nobody_foresaw_is_a_500_without_a_word_of_it(
    dialect: Dialect, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = thrown(error, dialect)

    assert answer.status_code == 500
    assert b"secret" not in answer.content
    assert b"internal_error" in answer.content
    assert caplog.records[0].exc_info is not None


def database_error(state: str) -> OperationalError:
    error = OperationalError("could not")
    error.__cause__ = psycopg.errors.lookup(state)("could not")
    return error


@pytest.mark.parametrize("state", ["40001", "40P01", "55P03", "57014"])
def test_a_database_that_asks_for_a_retry_is_a_503_that_says_when(state: str) -> None:
    answer = thrown(database_error(state))

    assert (answer.status_code, json.loads(answer.content)["code"], answer["Retry-After"]) == (503, "busy", "1")


@pytest.mark.parametrize("error", [OperationalError("gone"), InterfaceError("closed"), database_error("57P01")])
def test_a_database_that_is_away_is_a_503(error: Exception) -> None:
    answer = thrown(error)

    assert (answer.status_code, json.loads(answer.content)["code"]) == (503, "unavailable")


def test_deadlocks_are_counted() -> None:
    before = REGISTRY.get_sample_value("billing_database_deadlocks_total") or 0.0

    refusal_of(database_error("40P01"))
    refusal_of(database_error("55P03"))

    assert REGISTRY.get_sample_value("billing_database_deadlocks_total") == before + 1


@pytest.mark.parametrize("sent", ["abc-DEF.123_4", "x" * 64])
def test_a_sane_request_id_is_kept(api: Api, sent: str) -> None:
    answer = api.get("/v1/nothing", x_request_id=sent)

    assert (answer["X-Request-Id"], answer.json()["request_id"]) == (sent, sent)


@pytest.mark.parametrize("sent", ["", "short", "x" * 65, "with space in it", "newline\nin-it", 'quote"quote'])
def test_another_request_id_is_replaced(api: Api, sent: str) -> None:
    answer = api.get("/healthz", x_request_id=sent)

    assert answer["X-Request-Id"] != sent
    assert len(answer["X-Request-Id"]) == 32


@pytest.mark.django_db
def test_success_is_wrapped_by_the_dialect(api: Api, alice: Person) -> None:
    key = customer_key(alice)

    billing = api.get("/credits/balance", key).json()
    gateway = api.get(f"/client/v4/accounts/{alice.account.public_id}/ai-gateway/billing/credit-balance", key).json()

    assert (billing["success"], set(billing)) == (True, {"success", "data"})
    assert {name: gateway[name] for name in ("success", "errors", "messages")} == {"success": True, "errors": [], "messages": []}
    assert gateway["result"]["balance"] == 0
