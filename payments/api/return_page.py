"""
The page on which a person lands after a checkout, where whoever opened it named no page of their own.

It says what our own rows say and nothing else: that the provider sent somebody here is no proof of a payment. Whoever has the address
sees it; the address is signed, and ends after a week.
"""

import secrets
from dataclasses import dataclass
from typing import Final

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views import View

from core.currencies import minor_text
from core.errors import NotFound
from payments.returning import read_page_token
from payments.selectors import AttemptStatus, Order, OrderStatus, get_order_by_id

REFRESH_SECONDS: Final = 3
LOOKS_MAX: Final = 200
"""So often a page that waits looks again by itself, ten minutes in all: tabs are forgotten."""

_KEPT_PRIVATE: Final = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex, nofollow"}
"""The address is all that it takes to see the page: nobody is told of it, and nothing keeps it."""


@dataclass(frozen=True, slots=True)
class Words:
    """How an order stands, for a person. `tone`: `good`, `wait` or `bad`."""

    tone: str
    title: str
    text: str


_UNKNOWN: Final = Words(
    "bad", "This page is not here", "The link is not one of ours, or too old. Your orders are listed where you bought credits."
)
_CLOSED: Final = {
    OrderStatus.PAID: Words("good", "Paid", "Thank you. The credits are in your account."),
    OrderStatus.IN_REVIEW: Words("wait", "Being checked", "A payment arrived that does not fit this order. Somebody is looking at it."),
    OrderStatus.CANCELLED: Words("bad", "Cancelled", "This order was cancelled. No credits were added."),
    OrderStatus.EXPIRED: Words("bad", "Too late", "This order was not paid in time. No credits were added."),
    OrderStatus.FAILED: Words("bad", "It did not work", "This order could not be paid. No credits were added."),
}
_ON_ITS_WAY: Final = Words(
    "wait", "On its way", "Your bank is sending the money, which can take some days. Credits appear as soon as the bank confirms."
)
_DECLINED: Final = Words("bad", "Not paid yet", "The last try did not work. You may go back and try again, also with another card.")
_LEFT: Final = Words("wait", "Not paid", "You left the checkout, and no payment has been confirmed. No credits were added.")
_WAITING: Final = Words("wait", "Waiting for the bank", "Credits appear as soon as the bank confirms.")


class ReturnView(View):
    """`GET /payment/return/{token}`."""

    http_method_names = ("get", "head", "options")

    def get(self, request: HttpRequest, token: str = "") -> HttpResponse:
        """How the order stands; while it waits, the page looks again every three seconds."""
        try:
            order = get_order_by_id(read_page_token(token))
        except NotFound:
            return _page(request, {"words": _UNKNOWN}, status=404)
        is_cancelled = request.GET.get("cancelled") == "1"
        looks = _looks(request)
        shown = {
            "words": words_of(order, is_cancelled=is_cancelled),
            "reason": order.failure_reason if order.status != OrderStatus.PAID else "",
            "lines": [(line.description, minor_text(line.amount_minor, order.currency)) for line in order.lines.all()],
            "total": minor_text(order.amount_minor, order.currency),
            "currency": order.currency,
            "is_cancelled": is_cancelled,
            "is_waiting": order.status == OrderStatus.PENDING,
            "next_look": looks + 1 if looks < LOOKS_MAX else None,
            "seconds": REFRESH_SECONDS,
        }
        return _page(request, shown)


def words_of(order: Order, *, is_cancelled: bool) -> Words:
    """What to say of an order. `is_cancelled`: the person came by the provider's way back, which proves nothing either."""
    status = OrderStatus(order.status)
    if status is not OrderStatus.PENDING:
        return _CLOSED[status]
    if any(attempt.status == AttemptStatus.PROCESSING for attempt in order.attempts.all()):
        return _ON_ITS_WAY
    if not is_cancelled:
        # Also after a decline: who comes this way has probably paid with another card since.
        return _WAITING
    return _DECLINED if order.failure_reason else _LEFT


def _looks(request: HttpRequest) -> int:
    """How often this page has looked already."""
    text = request.GET.get("look", "")
    return min(int(text), LOOKS_MAX) if text.isascii() and text.isdigit() and len(text) <= len(str(LOOKS_MAX)) else 0


def _page(request: HttpRequest, shown: dict[str, object], status: int = 200) -> HttpResponse:
    nonce = secrets.token_urlsafe(16)
    answer = render(request, "payments/return.html", {**shown, "nonce": nonce}, status=status)
    answer.headers["Content-Security-Policy"] = (
        f"default-src 'none'; style-src 'nonce-{nonce}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    for name, value in _KEPT_PRIVATE.items():
        answer.headers[name] = value
    return answer
