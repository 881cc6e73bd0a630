"""
Proof that the books are right: every app's invariants over every account, set-based.

Each check runs in one REPEATABLE READ, READ ONLY transaction: at READ COMMITTED its parts would see different moments beside
running spending, and raise false alarms. An account counts as disagreeing when a second run says so too.
"""

from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain
from typing import Final

from django.db import connection, transaction

import credits.reconciliation
from billing_platform.wiring import CHECKS
from core.verification import Check, Discrepancy

ACCOUNTS_PER_RANGE: Final = 10_000
SHOWN_MAX: Final = 1_000


@dataclass(slots=True)
class Verification:
    """The result of a run: how many checks, every discrepancy (about the first 1,000), and how many wallets are overdue."""

    checks: int
    discrepancies: list[Discrepancy] = field(default_factory=list)
    late_wallets: int = 0


def verify_ledger(*, now: datetime, account_id: int | None = None) -> Verification:
    """Run every check, over all accounts or one. Reads only; may run beside spending."""
    result = Verification(checks=len(CHECKS))
    ranges = credits.reconciliation.account_ranges(ACCOUNTS_PER_RANGE) if account_id is None else [(account_id, account_id)]
    for low, high in ranges:
        for check in CHECKS:
            result.discrepancies.extend(_confirmed(check, low, high))
            if len(result.discrepancies) >= SHOWN_MAX:
                return result
    result.late_wallets = credits.reconciliation.count_late_wallets(now)
    return result


def _confirmed(check: Check, low: int, high: int) -> list[Discrepancy]:
    suspects = sorted({account_id for account_id, _ in _run(check, low, high)})
    again = chain.from_iterable(_run(check, account_id, account_id) for account_id in suspects[:SHOWN_MAX])
    return [Discrepancy(account_id, check.invariant, f"{check.name}: {detail}") for account_id, detail in again]


def _run(check: Check, low: int, high: int) -> list[tuple[int, str]]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return [(account_id, detail) for _, (account_id, detail) in zip(range(SHOWN_MAX), check.find(low, high), strict=False)]
