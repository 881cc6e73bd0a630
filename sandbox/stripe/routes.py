"""Everything that the families answer, collected. A new family adds its module here, and nothing else changes."""

from collections.abc import Callable, Mapping

from sandbox.store import Record
from sandbox.stripe import (
    account,
    catalogue,
    charges,
    checkout,
    customers,
    events,
    payment_intents,
    payment_methods,
    webhook_endpoints,
)
from sandbox.stripe.act import Act
from sandbox.stripe.expansion import Include
from sandbox.stripe.routing import Route

ROUTES: tuple[Route, ...] = (
    *account.ROUTES,
    *customers.ROUTES,
    *payment_methods.ROUTES,
    *checkout.ROUTES,
    *payment_intents.ROUTES,
    *charges.ROUTES,
    *catalogue.ROUTES,
    *events.ROUTES,
    *webhook_endpoints.ROUTES,
)

INCLUDED: Mapping[tuple[str, str], Include] = {**customers.INCLUDED, **catalogue.INCLUDED, **charges.INCLUDED, **checkout.INCLUDED}
"""What `expand[]` adds that answers leave out by default: object (or a record in it) and field."""

DUE: Mapping[str, Callable[[Act, Record], None]] = {**checkout.DUE}
"""What happens to an object of a kind when its `due_at` has come."""
