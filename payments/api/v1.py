"""What the platform's own API does with an order: cancel it, or go back to the page where it can be paid."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.parameters import ACCOUNT_PARAMETERS
from core import clock
from core.api.views import ApiView
from payments.api.payer import payer_of
from payments.api.serializers import CheckoutLinkSerializer, OrderSerializer
from payments.selectors import get_order
from payments.services.cancelling import cancel_order
from payments.services.checkout import reopen_order


class CancelOrderView(ApiView):
    """`POST /v1/orders/{id}/cancel`."""

    error_statuses: ClassVar[tuple[int, ...]] = (409, 503)

    @extend_schema(
        operation_id="cancel_order",
        tags=["v1"],
        parameters=[*ACCOUNT_PARAMETERS],
        request=None,
        responses=OrderSerializer,
    )
    def post(self, request: Request, order_id: str) -> Response:
        """
        Cancel an unpaid order: first its page is closed, so that nobody can pay it any more. Owners and admins.

        If somebody paid meanwhile, the order is paid and this is a 409.
        """
        account = payer_of(request)
        cancelled = cancel_order(account_id=account.pk, order_id=order_id, now=clock.now())
        return self.success(OrderSerializer(get_order(account_id=account.pk, order_id=cancelled.public_id)).data)


class OrderCheckoutView(ApiView):
    """`POST /v1/orders/{id}/checkout`."""

    error_statuses: ClassVar[tuple[int, ...]] = (409, 503)

    @extend_schema(
        operation_id="order_checkout",
        tags=["v1"],
        parameters=[*ACCOUNT_PARAMETERS],
        request=None,
        responses=CheckoutLinkSerializer,
    )
    def post(self, request: Request, order_id: str) -> Response:
        """The page of an order that waits to be paid; a fresh one where the last try came to nothing. Owners and admins."""
        link = reopen_order(account_id=payer_of(request).pk, order_id=order_id, now=clock.now())
        return self.success(CheckoutLinkSerializer(link).data)
