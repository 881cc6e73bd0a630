"""What every request passes: its id, its size, its count; and what log lines pass: the id, no secrets."""

import io
import logging
import re
import time
from collections.abc import Callable
from typing import Final

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from core import metrics, request_id
from core.api.dialects import dialect_of
from core.api.exception_handler import refusal_of, refused
from core.errors import InvalidInput, PayloadTooLarge

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_CHUNK: Final = 65_536
_DRAIN_LIMITS: Final = 16
"""How many times the limit is still read and thrown away, so that a client that is busy sending hears its 413 instead of a reset."""

_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_SECRET: Final = re.compile(r"\b(sk_|inv_|whsec_)[A-Za-z0-9_-]{8,}|\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+", re.ASCII)


class RequestIdMiddleware:
    """Gives each request its id, and each answer the header `X-Request-Id`; counts and times the answers."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        current = request_id.begin(request.headers.get("X-Request-Id"))
        response = self.get_response(request)
        response.headers["X-Request-Id"] = current
        _count(request, response.status_code, time.perf_counter() - started)
        return response


def _count(request: HttpRequest, status: int, seconds: float) -> None:
    # Labels come from our own route patterns and a closed list: a stranger's path or method must not make a new time series.
    match = request.resolver_match
    route = match.route if match is not None else "unmatched"
    method = request.method if request.method in _METHODS else "other"
    metrics.REQUESTS.labels(method, route, status).inc()
    metrics.SECONDS.labels(route).observe(seconds)


class BodyLimitMiddleware:
    """Refuses bodies over `BODY_LIMIT_BYTES` with 413, and reads chunked ones, which Django takes for empty, up to the same limit."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        try:
            fits = _take_chunked(request) if _is_chunked(request) else _declared_length(request) <= settings.BODY_LIMIT_BYTES
        except OSError:  # The server's word for chunks that are none, and for a client that went away.
            return _broken_off(request)
        return self.get_response(request) if fits else _too_large(request)


def _is_chunked(request: HttpRequest) -> bool:
    return "chunked" in request.META.get("HTTP_TRANSFER_ENCODING", "").lower() and bool(request.META.get("wsgi.input_terminated"))


def _declared_length(request: HttpRequest) -> int:
    try:
        return int(request.META.get("CONTENT_LENGTH") or 0)
    except ValueError:
        return 0  # Django takes such a body for empty.


def _take_chunked(request: HttpRequest) -> bool:
    """Read a chunked body into memory and give it a length; False, with the request untouched, when it is over the limit."""
    limit: int = settings.BODY_LIMIT_BYTES
    source = request.META["wsgi.input"]
    body = io.BytesIO()
    while body.tell() <= limit and (piece := source.read(_CHUNK)):
        body.write(piece)
    if body.tell() > limit:
        return False
    request.META["CONTENT_LENGTH"] = str(body.tell())
    body.seek(0)
    request._stream = body  # noqa: SLF001  Django's own place for the body of a request.
    return True


def _broken_off(request: HttpRequest) -> HttpResponse:
    error = InvalidInput("The body broke off, or its chunks are malformed; send it again.", code="malformed_body")
    response = refused(refusal_of(error), dialect_of(request.path))
    response.headers["Connection"] = "close"
    return response


def _too_large(request: HttpRequest) -> HttpResponse:
    limit: int = settings.BODY_LIMIT_BYTES
    _drain(request, limit * _DRAIN_LIMITS)
    error = PayloadTooLarge(f"The body is over {limit} bytes; split it.", limit_bytes=limit)
    response = refused(refusal_of(error), dialect_of(request.path))
    response.headers["Connection"] = "close"
    return response


def _drain(request: HttpRequest, allowance: int) -> None:
    """Read and throw away, so that the answer is heard; beyond the allowance the connection is simply closed."""
    source = request.META.get("wsgi.input")
    left = allowance if _is_chunked(request) else min(allowance, _declared_length(request))
    while source is not None and left > 0:
        piece = source.read(min(_CHUNK, left))
        if not piece:
            return
        left -= len(piece)


class RequestIdFilter(logging.Filter):
    """Puts the request id into each log record, and takes bearer secrets out of its message."""

    def filter(self, record: logging.LogRecord) -> bool:
        record.request_id = request_id.current_request_id() or "-"
        message = record.getMessage()
        cleaned = without_secrets(message)
        if cleaned != message:
            record.msg, record.args = cleaned, None
        return True


def without_secrets(text: str) -> str:
    """`text` with keys, invite secrets and JSON web tokens cut out."""
    return _SECRET.sub(lambda found: f"{found[1] or ''}[secret]", text)
