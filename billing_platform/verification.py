"""
Proof that the books are right: every app's invariants over every account, set-based.

Each check runs in one REPEATABLE READ, READ ONLY transaction: at READ COMMITTED its parts would see different moments beside
running spending, and raise false alarms. An account counts as disagreeing when a second run says so too. Here nothing is written:
whoever keeps the result (`billing_platform.verification_keeping`) is told of each step, between the transactions.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from itertools import chain, islice
from typing import Final

from django.db import connection, transaction

import credits.reconciliation
from billing_platform.wiring import CHECKS
from core.verification import ROWS_MAX, ROWS_OF_ACCOUNT_MAX, Check, Discrepancy

ACCOUNTS_PER_RANGE: Final = 10_000
SHOWN_MAX: Final = 1_000


@dataclass(slots=True)
class Verification:
    """
    The result of a run: how many checks, the discrepancies (the first 1,000), and how many wallets are overdue.

    A run goes on to its end however much it has found: which accounts disagree is needed of all of them.
    """

    checks: int
    discrepancies: list[Discrepancy] = field(default_factory=list)
    late_wallets: int = 0


class Watcher:
    """Is told how a verification goes, with no transaction open. This one does not listen."""

    def begins(self, check: Check, low: int, high: int) -> None:
        """The accounts `low`…`high` are about to be looked at by this check."""

    def found(self, discrepancies: list[Discrepancy]) -> None:
        """These are confirmed."""

    def covered(self, low: int, high: int, disagreeing: set[int]) -> None:
        """Every check has looked at the accounts `low`…`high`; all but these agree."""


def verify_ledger(*, now: datetime, account_id: int | None = None, watcher: Watcher | None = None) -> Verification:
    """Run every check, over all accounts or one. Reads only; may run beside spending."""
    result, told = Verification(checks=len(CHECKS)), watcher or Watcher()
    for low, high in _ranges(account_id):
        disagreeing: set[int] = set()
        for check in CHECKS:
            told.begins(check, low, high)
            confirmed = _confirmed(check, low, high)
            disagreeing |= {one.account_id for one in confirmed}
            shown = confirmed[: max(0, SHOWN_MAX - len(result.discrepancies))]
            told.found(shown)
            result.discrepancies.extend(shown)
        told.covered(low, high, disagreeing)
    result.late_wallets = credits.reconciliation.count_late_wallets(now)
    return result


def _ranges(account_id: int | None) -> Iterable[tuple[int, int]]:
    return credits.reconciliation.account_ranges(ACCOUNTS_PER_RANGE) if account_id is None else [(account_id, account_id)]


def _confirmed(check: Check, low: int, high: int) -> list[Discrepancy]:
    suspects = sorted({account_id for account_id, _ in _run(check, low, high)})
    again = chain.from_iterable(_run(check, account_id, account_id) for account_id in suspects)
    return [Discrepancy(account_id, check.invariant, check.name, detail) for account_id, detail in islice(again, ROWS_MAX)]


def _run(check: Check, low: int, high: int) -> list[tuple[int, str]]:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
        return list(islice(_some_of_each(check.find(low, high)), ROWS_MAX))


def _some_of_each(rows: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """At most some rows of each account; SQL checks bound themselves."""
    told: Counter[int] = Counter()
    for account_id, detail in rows:
        told[account_id] += 1
        if told[account_id] <= ROWS_OF_ACCOUNT_MAX:
            yield account_id, detail
