"""The one place that turns errors, foreseen or not, into an HTTP status and a dialect's error body."""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from django.core.exceptions import PermissionDenied, RequestDataTooBig, SuspiciousOperation
from django.db import Error as DatabaseError
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse
from rest_framework import exceptions as drf
from rest_framework.request import Request

from core import errors, metrics
from core.api.dialects import Dialect, Refusal, dialect_of
from core.database import sqlstate
from core.errors import BillingError, FieldError
from core.request_id import current_request_id

logger = logging.getLogger(__name__)

STATUS_OF: Final[Mapping[type[BillingError], HTTPStatus]] = {
    errors.InvalidInput: HTTPStatus.BAD_REQUEST,
    errors.PayloadTooLarge: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    errors.NotAuthenticated: HTTPStatus.UNAUTHORIZED,
    errors.NotPermitted: HTTPStatus.FORBIDDEN,
    errors.NotFound: HTTPStatus.NOT_FOUND,
    errors.Conflict: HTTPStatus.CONFLICT,
    errors.Unaffordable: HTTPStatus.PAYMENT_REQUIRED,
    errors.IdempotencyKeyReused: HTTPStatus.UNPROCESSABLE_ENTITY,
    errors.RateLimited: HTTPStatus.TOO_MANY_REQUESTS,
    errors.Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
}
DEADLOCK_DETECTED: Final = "40P01"
_BUSY_STATES: Final = {"40001", DEADLOCK_DETECTED, "55P03", "57014"}
"""Serialization failure, deadlock, lock timeout, statement timeout: nothing moved, the same request may be sent again."""

AVAILABLE_HEADER: Final = "X-Credits-Available"
RESERVED_HEADER: Final = "X-Credits-Reserved"
_TOLD_IN_HEADERS: Final = (("retry_after", "Retry-After"), ("available", AVAILABLE_HEADER), ("held", RESERVED_HEADER))
"""Facts of a refusal that a gateway reads without opening the body."""

_DRF_CODES: Final[tuple[tuple[type[drf.APIException], str], ...]] = (
    (drf.ParseError, "malformed_json"),
    (drf.AuthenticationFailed, "not_authenticated"),
    (drf.NotAuthenticated, "not_authenticated"),
    (drf.PermissionDenied, "not_permitted"),
    (drf.NotFound, "not_found"),
    (drf.MethodNotAllowed, "method_not_allowed"),
    (drf.UnsupportedMediaType, "unsupported_media_type"),
    (drf.Throttled, "rate_limited"),
)


def handle_exception(error: Exception, context: Mapping[str, Any]) -> JsonResponse:
    """DRF's hook: the answer to an error raised in a view, in that view's dialect."""
    view, request = context.get("view"), context.get("request")
    path = request.path if isinstance(request, (Request, HttpRequest)) else ""
    dialect = getattr(view, "dialect", None) or dialect_of(path)
    return refused(refusal_of(error), dialect)


def refused(refusal: Refusal, dialect: Dialect) -> JsonResponse:
    """A refusal as an HTTP answer."""
    body = dialect.refuse(refusal, current_request_id())
    return JsonResponse(
        body,
        status=refusal.status,
        content_type=dialect.error_content_type,
        headers={"Cache-Control": "no-store", **refusal.headers},
    )


def refusal_of(error: Exception) -> Refusal:
    """What to answer to any error. One that nobody foresaw is logged with its trace and answered without a word of it."""
    for kind, say in _WORDED:
        if isinstance(error, kind):
            return say(error)
    metrics.EXCEPTIONS.inc()
    logger.error("Unexpected error in a request.", exc_info=error)
    return Refusal(500, "internal_error", "Something went wrong on our side; quote the request id when you report it.")


def _billing(error: BillingError) -> Refusal:
    status = next(STATUS_OF[kind] for kind in type(error).__mro__ if kind in STATUS_OF)
    headers = {header: str(error.facts[fact]) for fact, header in _TOLD_IN_HEADERS if fact in error.facts}
    if status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    found = error.errors if isinstance(error, errors.InvalidInput) else ()
    return Refusal(status, error.stable_code, error.message, found, error.facts, headers)


def _framework(error: drf.APIException) -> Refusal:
    if isinstance(error, drf.ValidationError):
        found = tuple(_flat(error.get_full_details(), ""))
        return Refusal(400, "invalid_input", "Some of the input is not right; `errors` names the fields.", found)
    code = next((code for kind, code in _DRF_CODES if isinstance(error, kind)), "refused")
    facts: dict[str, object] = {}
    headers: dict[str, str] = {}
    if isinstance(error, drf.Throttled):
        facts["retry_after"] = int(getattr(error, "wait", None) or 1)
        headers["Retry-After"] = str(facts["retry_after"])
    if error.status_code == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    return Refusal(error.status_code, code, str(error.detail), (), facts, headers)


def _flat(details: object, path: str) -> list[FieldError]:
    """DRF's nested details as a flat list with dotted paths; what concerns the whole has an empty field."""
    if isinstance(details, list):
        return [found for position, item in enumerate(details) for found in _flat(item, _item_path(item, path, position))]
    if isinstance(details, dict) and set(details) == {"message", "code"} and not isinstance(details["message"], (dict, list)):
        return [FieldError(path, str(details["message"]), str(details["code"]))]
    if isinstance(details, dict):
        return [
            found for name, item in details.items() for found in _flat(item, _join(path, "" if name == "non_field_errors" else str(name)))
        ]
    return []


def _item_path(item: object, path: str, position: int) -> str:
    # A list of messages belongs to its field; a list of objects has positions.
    is_message = isinstance(item, dict) and set(item) == {"message", "code"}
    return path if is_message else _join(path, str(position))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path and name else path or name


def _database(error: DatabaseError) -> Refusal:
    state = sqlstate(error)
    if state == DEADLOCK_DETECTED:
        metrics.DEADLOCKS.inc()
    if state in _BUSY_STATES:
        logger.warning("The database asked for a retry (SQLSTATE %s).", state, exc_info=error)
        return _come_back("busy", "Too much happened to this account at once; nothing moved, send it again.")
    logger.error("The database cannot be used.", exc_info=error)
    return _come_back("unavailable", "The database cannot be reached; nothing moved, send it again.")


def _come_back(code: str, message: str) -> Refusal:
    return Refusal(503, code, message, facts={"retry_after": 1}, headers={"Retry-After": "1"})


def _not_found(error: Exception) -> Refusal:
    return Refusal(404, errors.NotFound.code, "There is nothing here, or it is not yours.")


def _not_permitted(error: Exception) -> Refusal:
    return Refusal(403, errors.NotPermitted.code, "You may not do this.")


def _too_large(error: Exception) -> Refusal:
    return Refusal(413, errors.PayloadTooLarge.code, "The body is larger than any request needs; split it.")


def _suspicious(error: Exception) -> Refusal:
    return Refusal(400, "bad_request", "This is not a request that can be answered.")


_WORDED: Final[tuple[tuple[type[Exception], Callable[[Any], Refusal]], ...]] = (
    (BillingError, _billing),
    (drf.APIException, _framework),
    (OperationalError, _database),
    (InterfaceError, _database),
    (Http404, _not_found),
    (PermissionDenied, _not_permitted),
    (RequestDataTooBig, _too_large),
    (SuspiciousOperation, _suspicious),
)
