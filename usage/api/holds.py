"""Holds over HTTP: a gateway asks before a call and settles after it. No serializer: these are on the way of every call."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, ClassVar, Final, NamedTuple, TypeVar

import msgspec
from django.http import HttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from accounts.api.access import ACCOUNT_QUERY, PlatformKeyOnly, account_of
from accounts.api.parameters import ACCOUNT_PARAMETERS
from accounts.errors import AccountAmbiguous
from accounts.selectors import Scope, public_id_of_key
from core import clock
from core.api.dialects import PROBLEM, Dialect
from core.api.exception_handler import AVAILABLE_HEADER, RESERVED_HEADER
from core.api.idempotency import IDEMPOTENCY_PARAMETERS, read_asked, replay_headers
from core.api.views import ApiView
from core.errors import InvalidInput
from core.idempotency import once
from credits.services.holds import HoldView, Remaining, facts_of, get_hold, void_hold
from credits.services.wallets import read_wallet
from usage.api.hold_shapes import CaptureAnswer, HoldAnswer, capture_answer, hold_answer
from usage.services.admission import HoldRequest, VoidRequest, account_named, reserve
from usage.services.captures import CaptureRequest, capture

Method = TypeVar("Method", bound=Callable[..., Any])

_PARAMETERS: Final = [
    OpenApiParameter(ACCOUNT_QUERY, str, OpenApiParameter.QUERY, description="Whose hold, where the body does not say it."),
    *IDEMPOTENCY_PARAMETERS,
]
_LEFT: Final = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, response=[200, 201, 402, 409], description=words)
    for name, words in (
        (AVAILABLE_HEADER, "What the account can still spend, in exact dollars."),
        (RESERVED_HEADER, "What its open holds keep aside, in exact dollars."),
    )
]


def _described(operation: str, *, asked: type | None, answered: type, statuses: tuple[int, ...] = (200,)) -> Callable[[Method], Method]:
    """An operation in the OpenAPI document, by the types that msgspec reads and writes."""
    return extend_schema(
        operation_id=operation,
        tags=["v1"],
        parameters=[*(ACCOUNT_PARAMETERS if asked is None else _PARAMETERS), *_LEFT],
        request=None if asked is None else {"application/json": _reference(asked)},
        responses={(status, "application/json"): _reference(answered) for status in statuses},
    )


def _reference(shape: type) -> dict[str, str]:
    return {"$ref": f"#/components/schemas/{shape.__name__}"}


Asked = TypeVar("Asked", HoldRequest, CaptureRequest, VoidRequest)


class Decided(NamedTuple):
    """An answer, what the account has left, whether it was given before, and the status it has."""

    answer: msgspec.Struct
    left: Remaining
    is_repeat: bool = False
    status: int = 200


class GatewayView(ApiView):
    """The base of what a platform key does to holds. Every answer carries what the account has left, in exact dollars."""

    dialect: ClassVar[Dialect] = PROBLEM
    permission_classes = (PlatformKeyOnly,)
    error_statuses: ClassVar[tuple[int, ...]] = (402, 409, 503)

    def read(self, request: Request, shape: type[Asked]) -> Asked:
        """The body in this shape; `account` may stand in the query. Raises InvalidInput `invalid_hold`, AccountAmbiguous."""
        if self.get_content_negotiator().select_parser(request, self.get_parsers()) is None:
            raise UnsupportedMediaType(request.content_type)
        named = request.query_params.get(ACCOUNT_QUERY)
        try:
            if named is None:
                return msgspec.json.decode(request.body, type=shape)
            said = {"account": named} | msgspec.json.decode(request.body or b"{}", type=dict[str, Any])
            asked = msgspec.convert(said, type=shape)
        except msgspec.ValidationError as error:
            raise InvalidInput(f"{error}."[:300], code="invalid_hold", field=_field_of(error)) from error
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise InvalidInput(f"The body must be a JSON object in UTF-8: {error}."[:300], code="malformed_json") from error
        if asked.account != named:
            raise AccountAmbiguous("The request names two accounts; name one.", field="account")
        return asked

    def act(self, request: Request, account: str, decide: Callable[[datetime], Decided]) -> HttpResponse:
        """Do it, once where the request names itself, and answer."""
        now = clock.now()
        # Outside of the transaction below: what is remembered of an account that was looked up is not taken back with it.
        account_id = account_named(account, now=now).id
        asked = read_asked(request, account=account)
        if asked is None:
            done = decide(now)
            return _answered(msgspec.json.encode(done.answer), done.status, _left(done.left) | replay_headers(is_replayed=done.is_repeat))

        def kept() -> Mapping[str, object]:
            done = decide(now)
            return {"body": msgspec.to_builtins(done.answer), "status": done.status, "is_repeat": done.is_repeat}

        found, is_replayed = once(asked, now=now, act=kept)
        # What is left is told as of this moment, also with an answer that was kept.
        headers = _left(_left_now(account_id, now)) | replay_headers(is_replayed=is_replayed or found["is_repeat"])
        return _answered(msgspec.json.encode(found["body"]), found["status"], headers)


class HoldsView(GatewayView):
    """POST /v1/holds."""

    @_described("open_hold", asked=HoldRequest, answered=HoldAnswer, statuses=(200, 201))
    def post(self, request: Request) -> HttpResponse:
        """
        Keep credits aside for a call, or say why not.

        A `hold_key` that is known answers 200 with its hold as it stands, which may have ended: look at `status`.
        """
        asked = self.read(request, HoldRequest)

        def decide(now: datetime) -> Decided:
            hold, left, is_repeat = reserve(asked, now=now)
            answer = hold_answer(hold, account=asked.account, api_key=asked.api_key)
            return Decided(answer, left, is_repeat, status=200 if is_repeat else 201)

        return self.act(request, asked.account, decide)


class HoldCaptureView(GatewayView):
    """POST /v1/holds/{id}/capture."""

    @_described("capture_hold", asked=CaptureRequest, answered=CaptureAnswer)
    def post(self, request: Request, hold_id: str) -> HttpResponse:
        """Settle a hold by the usage event that it was for. The same event again has the same answer."""
        asked = self.read(request, CaptureRequest)

        def decide(now: datetime) -> Decided:
            captured = capture(asked, hold=hold_id, now=now)
            return Decided(capture_answer(asked, hold_id, captured), captured.remaining, captured.is_repeat)

        return self.act(request, asked.account, decide)


class HoldVoidView(GatewayView):
    """POST /v1/holds/{id}/void."""

    @_described("void_hold", asked=VoidRequest, answered=HoldAnswer)
    def post(self, request: Request, hold_id: str) -> HttpResponse:
        """Free what a hold keeps aside; again: the same answer."""
        asked = self.read(request, VoidRequest)

        def decide(now: datetime) -> Decided:
            hold, left = void_hold(account_id=account_named(asked.account, now=now).id, public_id=hold_id, now=now)
            return Decided(_as_it_stands(hold, asked.account), left)

        return self.act(request, asked.account, decide)


class OneHoldView(ApiView):
    """GET /v1/holds/{id}."""

    @_described("hold", asked=None, answered=HoldAnswer)
    def get(self, request: Request, hold_id: str) -> HttpResponse:
        """One hold as it stands; one whose time is over has expired."""
        account, now = account_of(request, scope=Scope.USAGE_READ), clock.now()
        left = _left_now(account.pk, now)
        answer = _as_it_stands(get_hold(account_id=account.pk, public_id=hold_id), account.public_id)
        return _answered(msgspec.json.encode(answer), 200, _left(left))


def _as_it_stands(hold: HoldView, account: str) -> HoldAnswer:
    key = None if hold.api_key_id is None else public_id_of_key(hold.api_key_id)
    return hold_answer(hold, account=account, api_key=key)


def _left_now(account_id: int, now: datetime) -> Remaining:
    """What the account has left; what is due is booked first."""
    wallet = read_wallet(account_id=account_id, now=now)
    return Remaining(wallet.available_nanos, wallet.reserved_nanos)


def _left(left: Remaining) -> dict[str, str]:
    facts = facts_of(left)
    return {AVAILABLE_HEADER: facts["available"], RESERVED_HEADER: facts["held"]}


def _answered(body: bytes, status: int, headers: Mapping[str, str]) -> HttpResponse:
    return HttpResponse(body, status=status, headers=dict(headers), content_type="application/json")


def _field_of(error: msgspec.ValidationError) -> str | None:
    """The library ends its sentence by the path: ` - at `$.amount``."""
    _, found, path = str(error).rpartition("`$.")
    return path.rstrip("`") if found else None
