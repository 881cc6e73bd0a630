"""Buying credits and reading orders in the billing service: credits and minor units, in its envelope."""

from typing import ClassVar

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ListSerializer

from accounts.api.access import account_of, caller_of
from accounts.api.parameters import ACCOUNT_PARAMETERS, page_parameters
from accounts.selectors import Scope
from core import clock
from core.api.dialects import BILLING
from core.api.idempotency import IDEMPOTENCY_PARAMETERS, read_asked, replay_headers
from core.api.pagination import OFFSET_MAX, read_page
from core.api.views import ApiView, read_body
from payments.api.inputs import CreateSessionInput, wish_in_credits
from payments.api.payer import payer_of
from payments.api.serializers import OrderSerializer, SessionLinkSerializer
from payments.selectors import get_order, list_orders
from payments.services.buying import buy_credits


class CreateSessionView(ApiView):
    """`POST /payment/create-session`."""

    dialect = BILLING
    error_statuses: ClassVar[tuple[int, ...]] = (409, 422, 503)

    @extend_schema(
        operation_id="billing_create_session",
        tags=["billing service"],
        parameters=[*ACCOUNT_PARAMETERS, *IDEMPOTENCY_PARAMETERS],
        request=CreateSessionInput,
        responses=SessionLinkSerializer,
    )
    def post(self, request: Request) -> Response:
        """Order credits and open a page to pay them, in dollars. Owners and admins. Plans and coupons are not sold yet."""
        given = read_body(CreateSessionInput, request)
        account = payer_of(request, named=given.get("account"))
        link = buy_credits(
            wish_in_credits(given),
            account_id=account.pk,
            placed_by=caller_of(request).user_id,
            asked=read_asked(request, account=account.public_id),
            now=clock.now(),
        )
        return self.success(SessionLinkSerializer(link).data, headers=replay_headers(is_replayed=link.is_replayed))


class OrdersView(ApiView):
    """`GET /orders`."""

    dialect = BILLING

    @extend_schema(
        operation_id="billing_orders",
        tags=["billing service"],
        parameters=[*ACCOUNT_PARAMETERS, *page_parameters(default=20)],
        responses=OrderSerializer(many=True),
    )
    def get(self, request: Request) -> Response:
        """
        Orders with their lines and tries, newest first.

        As in all lists of this API `data` is the rows alone: a page that is not full is the last one. Offsets end at 10,000.
        """
        account = account_of(request, scope=Scope.BILLING_READ)
        asked = read_page(request.query_params, default=20, offset_maximum=OFFSET_MAX)
        page = list_orders(account_id=account.pk, limit=asked.limit, offset=asked.offset)
        return self.success(ListSerializer(page.items, child=OrderSerializer()).data)


class OrderView(ApiView):
    """`GET /orders/{id}`."""

    dialect = BILLING

    @extend_schema(
        operation_id="billing_order",
        tags=["billing service"],
        parameters=[*ACCOUNT_PARAMETERS],
        responses=OrderSerializer,
    )
    def get(self, request: Request, order_id: str) -> Response:
        """One order with its lines and tries."""
        account = account_of(request, scope=Scope.BILLING_READ)
        return self.success(OrderSerializer(get_order(account_id=account.pk, order_id=order_id)).data)
