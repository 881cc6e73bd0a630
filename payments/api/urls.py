"""Paths of orders and purchases."""

from django.urls import path

from payments.api.billing import CreateSessionView, OrdersView, OrderView
from payments.api.return_page import ReturnView
from payments.api.routes import register_converters
from payments.api.user import CreateCheckoutView, PaymentOrdersView, PaymentStatusView
from payments.api.v1 import CancelOrderView, OrderCheckoutView

register_converters()

urlpatterns = [
    path("api-account/user/billing/create-checkout", CreateCheckoutView.as_view(), name="user-create-checkout"),
    path("api-account/user/billing/payment-status/<order_id:order_id>", PaymentStatusView.as_view(), name="user-payment-status"),
    path("api-account/user/billing/orders", PaymentOrdersView.as_view(), name="user-payment-orders"),
    path("payment/create-session", CreateSessionView.as_view(), name="billing-create-session"),
    path("payment/return", ReturnView.as_view(), name="payment-return-nowhere"),
    path("payment/return/", ReturnView.as_view(), name="payment-return-nothing"),
    path("payment/return/<path:token>", ReturnView.as_view(), name="payment-return"),
    path("orders", OrdersView.as_view(), name="billing-orders"),
    path("orders/<order_id:order_id>", OrderView.as_view(), name="billing-order"),
    path("v1/orders/<order_id:order_id>/cancel", CancelOrderView.as_view(), name="order-cancel"),
    path("v1/orders/<order_id:order_id>/checkout", OrderCheckoutView.as_view(), name="order-checkout"),
]
