"""The OpenAPI document: valid, without a warning, with every path of the API in it once."""

import json
import re
from collections.abc import Iterator
from typing import Any, TypeAlias

import pytest
from django.urls import URLPattern, URLResolver, get_resolver
from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.generators import SchemaGenerator
from openapi_spec_validator import validate

from billing_platform.openapi import document
from tests.conftest import Api

Document: TypeAlias = Any

_NOT_API = re.compile(r"^(admin$|admin/|client/v4/|docs$|openapi\.json$|payment/return(/|$)|static/)")
_PART = re.compile(r"<(?:[^:>]+:)?([^>]+)>")


@pytest.fixture(scope="module")
def described() -> Document:
    return json.loads(document())


def api_routes() -> set[str]:
    """Every routed path of the API, written as OpenAPI writes it."""
    return {"/" + _PART.sub(r"{\1}", route) for route in _routes(get_resolver()) if not _NOT_API.match(route)}


def _routes(resolver: URLResolver, prefix: str = "") -> Iterator[str]:
    for entry in resolver.url_patterns:
        route = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            yield route
        else:
            yield from _routes(entry, route)


def test_the_document_is_valid(described: Document) -> None:
    validate(described)


def test_making_it_warns_of_nothing() -> None:
    GENERATOR_STATS.reset()

    with GENERATOR_STATS.silence():
        SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]

    assert dict(GENERATOR_STATS._warn_cache) == {}
    assert dict(GENERATOR_STATS._error_cache) == {}


def test_every_path_of_the_api_is_in_it_and_nothing_else(described: Document) -> None:
    assert set(described["paths"]) == api_routes()


def test_every_operation_says_what_it_does_and_how_it_refuses(described: Document) -> None:
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation.get("description") or operation.get("summary"), where
            statuses = set(operation["responses"])
            assert any(status.startswith("2") for status in statuses), where
            assert "429" in statuses, where


def test_no_two_operations_share_an_id(described: Document) -> None:
    ids = [operation["operationId"] for operations in described["paths"].values() for operation in operations.values()]

    assert len(ids) == len(set(ids))


@pytest.mark.parametrize(
    ("path", "wrapped_in", "content_type"),
    [
        ("/v1/account", None, "application/problem+json"),
        ("/credits/balance", "data", "application/json"),
        ("/accounts/{account_id}/ai-gateway/billing/credit-balance", "result", "application/json"),
    ],
)
def test_answers_are_described_in_their_dialect(described: Document, path: str, wrapped_in: str | None, content_type: str) -> None:
    responses = described["paths"][path]["get"]["responses"]

    success = responses["200"]["content"]["application/json"]["schema"]
    assert ("$ref" in success) if wrapped_in is None else ("$ref" in success["properties"][wrapped_in])
    assert content_type in responses["404"]["content"]


@pytest.mark.parametrize("path", ["/api-account/user/billing/create-checkout", "/payment/create-session"])
def test_a_purchase_says_how_to_send_it_twice(described: Document, path: str) -> None:
    operation = described["paths"][path]["post"]

    assert {("Idempotency-Key", "header", False)} <= {
        (each["name"], each["in"], each.get("required", False)) for each in operation["parameters"]
    }
    assert "Idempotent-Replayed" in operation["responses"]["200"]["headers"]
    assert {"200", "400", "401", "403", "404", "409", "413", "415", "422", "429", "503"} == set(operation["responses"])


def test_an_order_is_named_by_its_shape(described: Document) -> None:
    (named,) = (each for each in described["paths"]["/orders/{order_id}"]["get"]["parameters"] if each["in"] == "path")

    assert re.fullmatch(named["schema"]["pattern"], f"ord_{'0' * 32}")
    assert not re.fullmatch(named["schema"]["pattern"], "0" * 32)


def test_the_document_and_its_pages_are_served_without_login_or_network(api: Api) -> None:
    page = api.get("/docs").content.decode()

    assert api.get("/openapi.json").json()["openapi"].startswith("3.")
    assert "/static/drf_spectacular_sidecar/" in page
    assert not re.search(r"(src|href)=\"https?://", page)
