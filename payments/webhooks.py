"""Where providers tell us what happened. Nobody logs in here: the signature is the proof."""

from typing import Any, Final

from django.http import UnreadablePostError
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from core import clock
from core.api.dialects import BILLING
from core.api.views import ApiView
from core.errors import InvalidInput, PayloadTooLarge
from payments.gateways.registry import gateway_of
from payments.gateways.stripe_gateway import SIGNATURE_HEADER
from payments.selectors import Provider
from payments.services.inbox import receive

BODY_MAX: Final = 1024 * 1024


class ReceivedSerializer(serializers.Serializer[Any]):
    """The event is stored, now or earlier; what comes of it is our business."""

    received = serializers.BooleanField()


class StripeWebhookView(ApiView):
    """`POST /payment/webhook/stripe`."""

    dialect = BILLING
    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = ()

    @extend_schema(
        operation_id="stripe_webhook",
        tags=["billing service"],
        parameters=[OpenApiParameter(SIGNATURE_HEADER, str, OpenApiParameter.HEADER, required=True)],
        request={"application/json": {"type": "object", "description": "An event of Stripe, byte for byte as it was signed."}},
        responses=ReceivedSerializer,
    )
    def post(self, request: Request) -> Response:
        """Verify, store, answer. An event that is known already is answered the same."""
        body, now = _raw_body(request), clock.now()
        event = gateway_of(Provider.STRIPE).parse_event(body, request.headers, now=now)
        receive(event, provider=Provider.STRIPE, source="webhook", now=now)
        return self.success({"received": True})


def _raw_body(request: Request) -> bytes:
    """The bytes before any parsing: the signature is over them. Raises PayloadTooLarge, and InvalidInput for a body that broke off."""
    try:
        body: bytes = request.stream.read() if request.stream else b""
    except UnreadablePostError as error:
        raise InvalidInput("The body ended early; send it again.", code="malformed_body") from error
    if len(body) > BODY_MAX:
        raise PayloadTooLarge("No event of a provider is this large.", limit_bytes=BODY_MAX)
    return body
