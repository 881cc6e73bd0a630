"""`manage.py verify_ledger`: prove the books, silently if they are right."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from billing_platform.verification import verify_ledger
from core import clock


class Command(BaseCommand):
    """Exit code 0: every invariant holds. 1: some do not, each is printed. 3: they hold, but what is due is booked late."""

    help = "Recompute every invariant of the ledger from its rows; prints only what disagrees."

    def add_arguments(self, parser: CommandParser) -> None:
        """One account, or all."""
        parser.add_argument("--account", type=int, help="internal id of one account")

    def handle(self, *args: object, **options: Any) -> None:
        """Run, print, exit by the result."""
        result = verify_ledger(now=clock.now(), account_id=options["account"])
        for found in result.discrepancies:
            self.stderr.write(f"account {found.account_id}, invariant {found.invariant}: {found.detail}")
        if result.late_wallets:
            self.stderr.write(f"{result.late_wallets} wallets are overdue: is the worker running? See CONTRIBUTING.md, runbooks.")
        if options["verbosity"] > 1:
            self.stdout.write(f"{result.checks} checks, {len(result.discrepancies)} discrepancies")
        if result.discrepancies:
            raise SystemExit(1)
        if result.late_wallets:
            raise SystemExit(3)
