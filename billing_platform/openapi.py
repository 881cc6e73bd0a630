"""The OpenAPI document: made once per process, each endpoint in it once."""

from functools import cache
from typing import Any, Final

import msgspec
from django.http import HttpResponse
from drf_spectacular.extensions import OpenApiViewExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.renderers import OpenApiJsonRenderer
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularSwaggerView
from rest_framework.permissions import AllowAny
from rest_framework.request import Request

from core.api.dialects import VENDOR_PREFIX
from core.api.views import ApiView
from usage.api.hold_shapes import CaptureAnswer, HoldAnswer
from usage.services.admission import HoldRequest, VoidRequest
from usage.services.captures import CaptureRequest
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
