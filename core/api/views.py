"""The base of every JSON view, and the two lines each of them needs: read the input, wrap the answer."""

from collections.abc import Mapping
from typing import Any, ClassVar

from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import Serializer
from rest_framework.views import APIView

from core.api.dialects import PROBLEM, Dialect
from core.api.negotiation import OneFormat


class ApiView(APIView):
    """A view that answers in one dialect. OPTIONS is CORS's own; nothing else is described over HTTP but by /openapi.json."""

    dialect: ClassVar[Dialect] = PROBLEM
    content_negotiation_class = OneFormat
    metadata_class = None

    def success(self, data: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
        """`data` in the dialect's envelope."""
        return Response(self.dialect.wrap(data), status=status, headers=dict(headers) if headers else None)

    def finalize_response(self, request: Request, response: Response, *args: Any, **kwargs: Any) -> Response:
        """No answer of the API is kept by a cache on the way: each is one person's."""
        final = super().finalize_response(request, response, *args, **kwargs)
        final.headers.setdefault("Cache-Control", "no-store")
        return final


def read_body(serializer_class: type[Serializer[Any]], request: Request, *, partial: bool = False) -> dict[str, Any]:
    """The request's body, checked. Raises DRF's ValidationError, which the exception handler words; a body must be an object."""
    return _validated(serializer_class(data=request.data, partial=partial))


def read_query(serializer_class: type[Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query parameters, checked the same way. An empty value counts as absent: some clients send `from=`."""
    given = {name: value for name, value in request.query_params.items() if value != ""}
    return _validated(serializer_class(data=given))


def _validated(serializer: Serializer[Any]) -> dict[str, Any]:
    serializer.is_valid(raise_exception=True)
    validated = serializer.validated_data
    if not isinstance(validated, dict):  # pragma: no cover  A Serializer always gives a dict; this is for the type checker.
        raise ValidationError
    return validated
