"""How views describe themselves in the OpenAPI document: envelope and error bodies follow from the view's dialect."""

from collections.abc import Mapping
from typing import Any, Final, Literal

from drf_spectacular.openapi import AutoSchema
from rest_framework import serializers

from core.api.dialects import BILLING, GATEWAY, JSON, PROBLEM, Dialect


class FieldErrorSerializer(serializers.Serializer[Any]):
    """One bad field of the input."""

    field = serializers.CharField()
    message = serializers.CharField()
    code = serializers.CharField()


class ProblemSerializer(serializers.Serializer[Any]):
    """RFC 9457, with a stable `code`. A refusal's facts (`available`, `resets_at`, `retry_after` …) stand beside these."""

    type = serializers.CharField(default="about:blank")
    title = serializers.CharField()
    status = serializers.IntegerField()
    detail = serializers.CharField()
    code = serializers.CharField()
    request_id = serializers.CharField()
    errors = FieldErrorSerializer(many=True, required=False)  # type: ignore[assignment]  # a field, not the property


class BillingErrorDetailSerializer(serializers.Serializer[Any]):
    """What went wrong; `details` carries the facts of a refusal and `errors` of bad fields."""

    code = serializers.CharField()
    message = serializers.CharField()
    details = serializers.DictField()
    request_id = serializers.CharField()


class BillingErrorSerializer(serializers.Serializer[Any]):
    """The billing service's envelope of a refusal."""

    success = serializers.BooleanField(default=False)
    error = BillingErrorDetailSerializer()


class GatewayErrorItemSerializer(serializers.Serializer[Any]):
    """An integer code, and a message that ends with the stable code and the request id."""

    code = serializers.IntegerField()
    message = serializers.CharField()


class GatewayErrorSerializer(serializers.Serializer[Any]):
    """The AI gateway's envelope of a refusal."""

    result = serializers.JSONField(allow_null=True)
    success = serializers.BooleanField(default=False)
    errors = GatewayErrorItemSerializer(many=True)  # type: ignore[assignment]  # a field, not the property
    messages = serializers.ListField(child=serializers.DictField())


_ERROR_BODY: Final[Mapping[str, type[serializers.Serializer[Any]]]] = {
    PROBLEM.name: ProblemSerializer,
    BILLING.name: BillingErrorSerializer,
    GATEWAY.name: GatewayErrorSerializer,
}
_WITH_BODY: Final = {"POST", "PUT", "PATCH"}


class DialectSchema(AutoSchema):
    """
    Adds to what `extend_schema` says: the dialect's envelope around 2xx bodies, and its error body for the usual refusals.

    A view documents its own payload only (`responses=BalanceSerializer`), and by `error_statuses` refusals beyond the usual ones.
    """

    def _get_response_bodies(self, direction: Literal["request", "response"] = "response") -> dict[str, Any]:
        bodies: dict[str, Any] = super()._get_response_bodies(direction)
        dialect = getattr(self.view, "dialect", None)
        if not isinstance(dialect, Dialect):
            return bodies
        for status, body in bodies.items():
            if status.startswith("2"):
                _wrap(body, dialect)
        for refusal in self._error_statuses():
            bodies.setdefault(str(refusal), self._error_body(dialect, str(refusal)))
        return dict(sorted(bodies.items()))

    def _error_body(self, dialect: Dialect, status: str) -> dict[str, Any]:
        body: dict[str, Any] = self._get_response_for_code(  # type: ignore[no-untyped-call]  # the library has no types here
            _ERROR_BODY[dialect.name], status, [dialect.error_content_type]
        )
        return body

    def _error_statuses(self) -> set[int]:
        usual = {400, 429}
        if self.get_auth():
            usual |= {401, 403}
        if "{" in self.path or self.get_auth():
            usual.add(404)
        if self.method in _WITH_BODY:
            usual |= {413, 415}
        extra: tuple[int, ...] = getattr(self.view, "error_statuses", ())
        return usual | set(extra)


def _wrap(body: dict[str, Any], dialect: Dialect) -> None:
    content = body.get("content", {})
    if JSON in content and dialect in {BILLING, GATEWAY}:
        content[JSON] = {"schema": _envelope(content[JSON].get("schema", {}), dialect)}


def _envelope(payload: dict[str, Any], dialect: Dialect) -> dict[str, Any]:
    success = {"type": "boolean", "enum": [True]}
    if dialect is BILLING:
        fields: dict[str, Any] = {"success": success, "data": payload}
    else:
        nothing = {"type": "array", "items": {}, "maxItems": 0}
        fields = {"result": payload, "success": success, "errors": nothing, "messages": nothing}
    return {"type": "object", "properties": fields, "required": list(fields)}
