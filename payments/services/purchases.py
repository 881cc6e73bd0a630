"""Credits as an order line: what a paid one delivers."""

from datetime import datetime
from typing import Final

from core.rounding import half_even
from credits.services.grants import Book, Category, GrantTerms, Kind, Source, issue_grant
from payments.models import Order, OrderLine, PaymentAttempt, Provider

_CLEARING: Final = {Provider.STRIPE.value: Book.CLEARING_STRIPE, Provider.CREEM.value: Book.CLEARING_CREEM}
ORDER_SOURCE: Final = "order"


def grant_credits(order: Order, line: OrderLine, attempt: PaymentAttempt, *, now: datetime) -> None:
    """
    Issue the line's credits, paid, without end: once per order, by the source key `order:<id>:paid`.

    The cost basis is what was really paid for this line, in the currency it was paid in. Raises what `issue_grant` raises.
    """
    paid_minor = attempt.settled_minor or 0
    terms = GrantTerms(
        amount_nanos=line.credit_nanos,
        kind=Kind.PURCHASE,
        book=_CLEARING[attempt.provider],
        category=Category.PAID,
        source=Source(ORDER_SOURCE, order.public_id, f"order:{order.public_id}:paid"),
        cost_basis_minor=half_even(line.amount_minor * paid_minor, order.amount_minor),
        cost_basis_currency=attempt.settled_currency,
    )
    issue_grant(account_id=order.account_id, terms=terms, now=now)
