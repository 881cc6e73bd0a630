"""Buying credits and following orders in the usage & billing API: dollars, `application/problem+json`."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from accounts.api.access import account_of, caller_of
from accounts.api.parameters import ACCOUNT_PARAMETERS, page_parameters
from accounts.selectors import Scope
from core import clock
from core.api.idempotency import IDEMPOTENCY_PARAMETERS, read_asked, replay_headers
from core.api.pagination import OFFSET_MAX, read_page
from core.api.views import ApiView, read_body
from payments.api.inputs import CreateCheckoutInput, wish_in_dollars
from payments.api.payer import payer_of
from payments.api.serializers import CheckoutLinkSerializer, PaymentOrdersSerializer, PaymentStatusSerializer
from payments.selectors import get_order, list_orders
from payments.services.buying import buy_credits


class CreateCheckoutView(ApiView):
    """`POST /api-account/user/billing/create-checkout`."""

    error_statuses: ClassVar[tuple[int, ...]] = (409, 422, 503)

    @extend_schema(
        operation_id="user_create_checkout",
        tags=["usage & billing"],
        parameters=[*ACCOUNT_PARAMETERS, *IDEMPOTENCY_PARAMETERS],
        request=CreateCheckoutInput,
        responses=CheckoutLinkSerializer,
    )
    def post(self, request: Request) -> Response:
        """Order credits and open a page to pay them. They are credited once the provider says that they are paid. Owners and admins."""
        given = read_body(CreateCheckoutInput, request)
        account = payer_of(request, named=given.get("account"))
        link = buy_credits(
            wish_in_dollars(given),
            account_id=account.pk,
            placed_by=caller_of(request).user_id,
            asked=read_asked(request, account=account.public_id),
            now=clock.now(),
        )
        return self.success(CheckoutLinkSerializer(link).data, headers=replay_headers(is_replayed=link.is_replayed))


class PaymentStatusView(ApiView):
    """`GET /api-account/user/billing/payment-status/{order_id}`."""

    @extend_schema(
        operation_id="user_payment_status",
        tags=["usage & billing"],
        parameters=[*ACCOUNT_PARAMETERS],
        responses=PaymentStatusSerializer,
    )
    def get(self, request: Request, order_id: str) -> Response:
        """How an order stands. Only `paid` means that its credits are there."""
        account = account_of(request, scope=Scope.BILLING_READ)
        return self.success(PaymentStatusSerializer(get_order(account_id=account.pk, order_id=order_id)).data)


class PaymentOrdersView(ApiView):
    """`GET /api-account/user/billing/orders`."""

    @extend_schema(
        operation_id="user_payment_orders",
        tags=["usage & billing"],
        parameters=[*ACCOUNT_PARAMETERS, *page_parameters(default=20)],
        responses=PaymentOrdersSerializer,
    )
    def get(self, request: Request) -> Response:
        """The account's orders, newest first. `total` is exact; offsets end at 10,000."""
        account = account_of(request, scope=Scope.BILLING_READ)
        asked = read_page(request.query_params, default=20, offset_maximum=OFFSET_MAX)
        page = list_orders(account_id=account.pk, limit=asked.limit, offset=asked.offset)
        answer = {"items": page.items, "total": page.total, "limit": asked.limit, "offset": asked.offset}
        return self.success(PaymentOrdersSerializer(answer).data)
