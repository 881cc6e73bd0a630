"""Holds over HTTP: a gateway asks before a call and settles after it. No serializer: these are on the way of every call."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, TypeVar

import msgspec
from django.http import HttpResponse
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import ACCOUNT_QUERY, PlatformKeyOnly, account_of
from accounts.selectors import Scope
from core import clock
from core.api.dialects import PROBLEM, Dialect
from core.api.exception_handler import AVAILABLE_HEADER, RESERVED_HEADER
from core.api.idempotency import read_asked, replay_headers
from core.api.views import ApiView
from core.errors import InvalidInput
from core.idempotency import once
from core.money import usd_text
from credits.services.holds import Remaining
from usage.services.admission import HoldRequest, VoidRequest, hold_answer, read_hold, reserve, void_reservation
from usage.services.captures import CaptureRequest, capture, capture_answer

Asked = TypeVar("Asked", HoldRequest, CaptureRequest, VoidRequest)
Decided = tuple[msgspec.Struct, Remaining, bool]
"""An answer, what the account has left, and whether it was given before."""


class HoldView(ApiView):
    """The base of what a platform key does to holds. Every answer carries what the account has left, in exact dollars."""

    dialect: ClassVar[Dialect] = PROBLEM
    permission_classes = (PlatformKeyOnly,)

    def read(self, request: Request, shape: type[Asked]) -> Asked:
        """The body in this shape; `account` may stand in the query. Raises InvalidInput `invalid_hold`."""
        if self.get_content_negotiator().select_parser(request, self.get_parsers()) is None:
            raise UnsupportedMediaType(request.content_type)
        named = request.query_params.get(ACCOUNT_QUERY)
        try:
            if named is None:
                return msgspec.json.decode(request.body, type=shape)
            said = msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
            return msgspec.convert({"account": named} | said, type=shape)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"{error}."[:300], code="invalid_hold", field=_field_of(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"The body must be a JSON object in UTF-8: {error}."[:300], code="malformed_json") from error

    def act(self, request: Request, account: str, status: int, decide: Callable[[datetime], Decided]) -> HttpResponse:
        """Do it, once where the request names itself, and answer."""
        now = clock.now()
        asked = read_asked(request, account=account)
        if asked is None:
            answer, left, is_repeat = decide(now)
            return _answered(msgspec.json.encode(answer), status, _left(left) | replay_headers(is_replayed=is_repeat))

        def kept() -> Mapping[str, object]:
            answer, left, is_repeat = decide(now)
            return {"body": msgspec.to_builtins(answer), "headers": _left(left) | replay_headers(is_replayed=is_repeat)}

        found, is_replayed = once(asked, now=now, act=kept)
        return _answered(msgspec.json.encode(found["body"]), status, found["headers"] | replay_headers(is_replayed=is_replayed))


class HoldsView(HoldView):
    """POST /v1/holds."""

    def post(self, request: Request) -> HttpResponse:
        """Keep credits aside for a call, or say why not."""
        asked = self.read(request, HoldRequest)

        def decide(now: datetime) -> Decided:
            hold, left = reserve(asked, now=now)
            return hold_answer(hold, account=asked.account, api_key=asked.api_key), left, False

        return self.act(request, asked.account, 201, decide)


class HoldCaptureView(HoldView):
    """POST /v1/holds/{id}/capture."""

    def post(self, request: Request, hold_id: str) -> HttpResponse:
        """Settle a hold by the usage event that it was for."""
        asked = self.read(request, CaptureRequest)

        def decide(now: datetime) -> Decided:
            captured = capture(asked, hold=hold_id, now=now)
            return capture_answer(asked, hold_id, captured), captured.remaining, captured.is_repeat

        return self.act(request, asked.account, 200, decide)


class OneHoldView(ApiView):
    """GET /v1/holds/{id}."""

    def get(self, request: Request, hold_id: str) -> Response:
        """One hold as it stands."""
        account = account_of(request, scope=Scope.USAGE_READ)
        found = read_hold(account_id=account.pk, account=account.public_id, hold=hold_id, now=clock.now())
        return self.success(msgspec.to_builtins(found))


class HoldVoidView(HoldView):
    """POST /v1/holds/{id}/void."""

    def post(self, request: Request, hold_id: str) -> HttpResponse:
        """Free what a hold keeps aside; again: the same answer."""
        asked = self.read(request, VoidRequest)

        def decide(now: datetime) -> Decided:
            hold, left = void_reservation(account=asked.account, hold=hold_id, now=now)
            return hold, left, False

        return self.act(request, asked.account, 200, decide)


def _left(left: Remaining) -> dict[str, str]:
    return {AVAILABLE_HEADER: usd_text(left.available_nanos), RESERVED_HEADER: usd_text(left.reserved_nanos)}


def _answered(body: bytes, status: int, headers: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(body, status=status, headers=dict(headers), content_type="application/json")


def _field_of(error: msgspec.ValidationError) -> str | None:
    """The library ends its sentence by the path: ` - at `$.amount``."""
    _, found, path = str(error).rpartition("`$.")
    return path.rstrip("`") if found else None
