"""Answers where no view answers: unknown paths and errors outside of views. In the path's dialect; the operators' pages keep Django's."""

from django.http import HttpRequest, HttpResponse
from django.views import defaults

from core.api.dialects import Refusal, dialect_of, is_html
from core.api.exception_handler import refused


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """400: a host that is not ours, or a request that Django found suspicious."""
    if is_html(request.path):
        return defaults.bad_request(request, exception)
    return refused(Refusal(400, "bad_request", "This is not a request that can be answered."), dialect_of(request.path))


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    """403."""
    if is_html(request.path):
        return defaults.permission_denied(request, exception)
    return refused(Refusal(403, "not_permitted", "You may not do this."), dialect_of(request.path))


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """404: no such path."""
    if is_html(request.path):
        return defaults.page_not_found(request, exception)
    return refused(Refusal(404, "not_found", "There is no such path; /openapi.json lists them."), dialect_of(request.path))


def failed(request: HttpRequest) -> HttpResponse:
    """500: an error outside of a view; Django has logged it."""
    if is_html(request.path):
        return defaults.server_error(request)
    message = "Something went wrong on our side; quote the request id when you report it."
    return refused(Refusal(500, "internal_error", message), dialect_of(request.path))
