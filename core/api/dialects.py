"""
The three shapes in which the published APIs expect success and refusal; which one a path speaks.

A dialect only shapes; it decides nothing. Source: docs/errors.md.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from http import HTTPStatus
from typing import Any, Final

from core.api.times import iso_z
from core.errors import FieldError

JSON: Final = "application/json"
PROBLEM_JSON: Final = "application/problem+json"
VENDOR_PREFIX: Final = "/client/v4"
"""The AI gateway's alias: the vendor's own clients have it in their base URL."""

GATEWAY_UNAUTHORIZED: Final = 10000
GATEWAY_NO_ROUTE: Final = 7003


@dataclass(frozen=True)
class Refusal:
    """An answer other than success, before it is put in a dialect's shape."""

    status: int
    code: str
    message: str
    errors: tuple[FieldError, ...] = ()
    facts: Mapping[str, object] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    def shown_facts(self) -> dict[str, object]:
        """The facts as JSON can carry them."""
        return {name: _shown(value) for name, value in self.facts.items()}

    def shown_errors(self) -> list[dict[str, str]]:
        """The bad fields, one object each."""
        return [{"field": error.field, "message": error.message, "code": error.code} for error in self.errors]


@dataclass(frozen=True)
class Dialect:
    """One published way to wrap an answer and to say no."""

    name: str
    error_content_type: str
    wrap: Callable[[Any], Any]
    refuse: Callable[[Refusal, str], dict[str, object]]


def status_title(status: int) -> str:
    """The standard phrase of an HTTP status."""
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Error"


def gateway_code(status: int) -> int:
    """The AI gateway's integer for a status: the vendor's 10000 (authentication, permission) and 7003 (no route), else 1000 + status."""
    if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        return GATEWAY_UNAUTHORIZED
    return GATEWAY_NO_ROUTE if status == HTTPStatus.NOT_FOUND else 1000 + status


def _shown(value: object) -> object:
    if isinstance(value, datetime):
        return iso_z(value)
    if isinstance(value, Enum):
        return value.value
    return value


def _plain(data: Any) -> Any:  # noqa: ANN401  JSON data of any shape passes through.
    return data


def _problem(refusal: Refusal, request_id: str) -> dict[str, object]:
    body: dict[str, object] = {
        "type": "about:blank",
        "title": status_title(refusal.status),
        "status": refusal.status,
        "detail": refusal.message,
        "code": refusal.code,
        "request_id": request_id,
    }
    if refusal.errors:
        body["errors"] = refusal.shown_errors()
    return refusal.shown_facts() | body


def _billing_success(data: Any) -> dict[str, object]:  # noqa: ANN401  JSON data of any shape is wrapped.
    return {"success": True, "data": data}


def _billing_error(refusal: Refusal, request_id: str) -> dict[str, object]:
    details = refusal.shown_facts()
    if refusal.errors:
        details["errors"] = refusal.shown_errors()
    error = {"code": refusal.code, "message": refusal.message, "details": details, "request_id": request_id}
    return {"success": False, "error": error}


def _gateway_success(data: Any) -> dict[str, object]:  # noqa: ANN401  JSON data of any shape is wrapped.
    return {"result": data, "success": True, "errors": [], "messages": []}


def _gateway_error(refusal: Refusal, request_id: str) -> dict[str, object]:
    # The vendor's clients show only `errors`, so the request id stands in each message.
    number = gateway_code(refusal.status)
    said = [f"{error.field}: {error.message}" for error in refusal.errors] or [refusal.message]
    errors = [{"code": number, "message": f"{text} [{refusal.code}, request {request_id}]"} for text in said]
    return {"result": None, "success": False, "errors": errors, "messages": []}


PROBLEM: Final = Dialect("problem", PROBLEM_JSON, _plain, _problem)
BILLING: Final = Dialect("billing", JSON, _billing_success, _billing_error)
GATEWAY: Final = Dialect("gateway", JSON, _gateway_success, _gateway_error)

_BILLING_ROOTS: Final = ("credits", "orders", "subscription", "checkin", "payment")
_ADMIN_API: Final = ("/admin/billing", "/admin/credits/manual", "/admin/credits/transactions", "/admin/checkin/config")


def is_html(path: str) -> bool:
    """Whether a path is a page for a person, which answers in HTML: the operators', and where one comes back to after a checkout."""
    return _is_below(path, "/payment/return") or (_is_below(path, "/admin") and not any(_is_below(path, root) for root in _ADMIN_API))


def dialect_of(path: str) -> Dialect:
    """The dialect of a path, also of one that no view answers."""
    if _is_below(path, VENDOR_PREFIX) or _is_below(path, "/accounts"):
        return GATEWAY
    if any(_is_below(path, f"/{root}") for root in _BILLING_ROOTS) or any(_is_below(path, root) for root in _ADMIN_API):
        return BILLING
    return PROBLEM


def _is_below(path: str, root: str) -> bool:
    return path == root or path.startswith(f"{root}/")
