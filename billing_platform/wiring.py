"""
What the apps contribute to the whole, named in one place: an app never reaches a higher one, it is connected here.

The invariants that `verify_ledger` proves, and what is delivered when an order is paid.
"""

from typing import Final

import credits.reconciliation
import payments.reconciliation
import usage.reconciliation
from core.verification import Check
from payments.fulfilment import on_paid
from payments.selectors import LineKind
from payments.services.purchases import grant_credits

CHECKS: Final[tuple[Check, ...]] = (
    *credits.reconciliation.CHECKS,
    *usage.reconciliation.CHECKS,
    *payments.reconciliation.CHECKS,
)
"""Every app's invariants, in the order they run."""


def connect() -> None:
    """Fill the registries; called once, when every app is loaded."""
    on_paid(LineKind.CREDITS, grant_credits)
