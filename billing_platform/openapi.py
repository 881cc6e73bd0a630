"""The OpenAPI document: made once per process, each endpoint in it once."""

from functools import cache
from typing import Any, ClassVar, Final

import msgspec
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import OpenApiParameter, extend_schema
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from accounts.api.parameters import ACCOUNT_PARAMETERS
from core.api.dialects import VENDOR_PREFIX
from core.api.exception_handler import AVAILABLE_HEADER, RESERVED_HEADER
from core.api.idempotency import IDEMPOTENCY_PARAMETERS
from core.api.views import ApiView
from usage.services.admission import HoldAnswer, HoldRequest, VoidRequest
from usage.services.captures import CaptureAnswer, CaptureRequest
from usage.services.events import EVENTS_MAX, IngestAnswer, ReportedEvent

_REFERENCE: Final = "#/components/schemas/{name}"
_HOT_TYPES: Final = (list[ReportedEvent], IngestAnswer, HoldRequest, HoldAnswer, CaptureRequest, CaptureAnswer, VoidRequest)

Endpoint = tuple[str, str, str, Any]


def each_once(endpoints: list[Endpoint], **_: object) -> list[Endpoint]:
    """drf-spectacular's hook before it looks at views: the alias of the AI gateway, and the second slash form of /admin, are left out."""
    return [endpoint for endpoint in endpoints if not _is_second_form(endpoint[0])]


def _is_second_form(path: str) -> bool:
    return path.startswith(f"{VENDOR_PREFIX}/") or (path.endswith("/") and path != "/")


class UsageEvents(OpenApiViewExtension):  # type: ignore[no-untyped-call]  # the registry's hook has no types
    """The hot path has no serializer: its types describe it."""

    target_class = "usage.api.ingest.UsageEventsView"

    def view_replacement(self) -> type[ApiView]:
        (events, answer, *_), _ = _hot_path()
        body = events | {"minItems": 1, "maxItems": EVENTS_MAX}

        class Described(self.target_class):  # type: ignore[misc, name-defined]  # resolved by the extension
            error_statuses = (503,)

            @extend_schema(
                operation_id="report_usage", tags=["v1"], request={"application/json": body}, responses={(200, "application/json"): answer}
            )
            def post(self, request: Request) -> HttpResponse:
                """
                Report 1 to 5,000 calls, by a platform key. What is wrong with one event is told in the answer and never sinks the others.

                A repeated `event_id` of an account is never charged twice; with other content it is refused as `event_id_conflict`.
                """
                return super().post(request)  # type: ignore[no-any-return]

        return Described


class _Held(OpenApiViewExtension):  # type: ignore[no-untyped-call]  # the registry's hook has no types
    """What is on the way of every call has no serializer either."""

    match_subclasses = False
    operation: ClassVar[str]
    asked: ClassVar[type[msgspec.Struct]]
    answered: ClassVar[type[msgspec.Struct]]
    status: ClassVar[int] = 200

    def view_replacement(self) -> type[ApiView]:
        (asked, answered), _ = msgspec.json.schema_components([self.asked, self.answered], ref_template=_REFERENCE)

        class Described(self.target_class):  # type: ignore[misc, name-defined]  # resolved by the extension
            error_statuses = (402, 409, 503)

        described = extend_schema(
            operation_id=self.operation,
            tags=["v1"],
            parameters=[_ACCOUNT, *IDEMPOTENCY_PARAMETERS, *_LEFT],
            request={"application/json": asked},
            responses={(self.status, "application/json"): answered},
        )
        Described.post = described(self.target_class.post)  # type: ignore[attr-defined]  # resolved by the extension
        return Described


class OpenedHolds(_Held):
    """POST /v1/holds."""

    target_class = "usage.api.holds.HoldsView"
    operation, asked, answered, status = "open_hold", HoldRequest, HoldAnswer, 201


class CapturedHolds(_Held):
    """POST /v1/holds/{id}/capture."""

    target_class = "usage.api.holds.HoldCaptureView"
    operation, asked, answered = "capture_hold", CaptureRequest, CaptureAnswer


class VoidedHolds(_Held):
    """POST /v1/holds/{id}/void."""

    target_class = "usage.api.holds.HoldVoidView"
    operation, asked, answered = "void_hold", VoidRequest, HoldAnswer


class ReadHolds(OpenApiViewExtension):  # type: ignore[no-untyped-call]  # the registry's hook has no types
    """GET /v1/holds/{id}."""

    target_class = "usage.api.holds.OneHoldView"

    def view_replacement(self) -> type[ApiView]:
        (answered,), _ = msgspec.json.schema_components([HoldAnswer], ref_template=_REFERENCE)

        class Described(self.target_class):  # type: ignore[misc, name-defined]  # resolved by the extension
            pass

        described = extend_schema(
            operation_id="hold", tags=["v1"], parameters=[*ACCOUNT_PARAMETERS], responses={(200, "application/json"): answered}
        )
        Described.get = described(self.target_class.get)  # type: ignore[attr-defined]  # resolved by the extension
        return Described


_ACCOUNT: Final = OpenApiParameter("account", str, OpenApiParameter.QUERY, description="Whose hold, where the body does not say it.")
_LEFT: Final = [
    OpenApiParameter(name, str, OpenApiParameter.HEADER, response=[200, 201, 402], description=words)
    for name, words in (
        (AVAILABLE_HEADER, "What the account can still spend, in exact dollars."),
        (RESERVED_HEADER, "What its open holds keep aside, in exact dollars."),
    )
]


def with_hot_path(result: dict[str, Any], **_: object) -> dict[str, Any]:
    """drf-spectacular's hook after the views: the components that the hot path's types refer to."""
    result["components"]["schemas"].update(_hot_path()[1])
    return result


def _hot_path() -> tuple[tuple[dict[str, Any], ...], dict[str, Any]]:
    return msgspec.json.schema_components(_HOT_TYPES, ref_template=_REFERENCE)


@cache
def document() -> bytes:
    """The document as JSON. The views do not change while a process lives."""
    schema = SchemaGenerator().get_schema(request=None, public=True)  # type: ignore[no-untyped-call]  # the library has no types here
    rendered: bytes = OpenApiJsonRenderer().render(schema, renderer_context={})
    return rendered


class DocumentView(ApiView):
    """/openapi.json."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(exclude=True)
    def get(self, request: Request) -> HttpResponse:
        """The document itself."""
        return HttpResponse(document(), content_type="application/json")


class DocsView(SpectacularSwaggerView):
    """/docs: Swagger UI from our own static files, without a network."""

    url = "/openapi.json"
    metadata_class = None
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()
