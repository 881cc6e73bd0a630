"""
What the apps contribute to the whole, named in one place: an app never reaches a higher one, it is connected here.

Today: the invariants that `verify_ledger` proves.
"""

from typing import Final

import credits.reconciliation
import usage.reconciliation
from core.verification import Check

CHECKS: Final[tuple[Check, ...]] = (*credits.reconciliation.CHECKS, *usage.reconciliation.CHECKS)
"""Every app's invariants, in the order they run."""
