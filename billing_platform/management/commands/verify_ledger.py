"""`manage.py verify_ledger`: prove the books, silently if they are right."""

from collections.abc import Callable
from typing import Any, Final

from django.core.management.base import BaseCommand, CommandParser

from billing_platform.verification_keeping import AskedBy, Kept, keep_verification
from core import clock
from core.models import VerificationRun

_CLEAR_LINE: Final = "\r\x1b[K"


class Command(BaseCommand):
    """
    Exit code 0: every invariant holds. 1: some do not, each is printed. 3: they hold, but what is due is booked late.

    4: another verification is going on, and this one looked at nothing. A terminal is shown where it is, and its rate at the end.
    """

    help = "Recompute every invariant of the ledger from its rows; prints only what disagrees."

    def add_arguments(self, parser: CommandParser) -> None:
        """One account, or all."""
        parser.add_argument("--account", type=int, help="internal id of one account")

    def handle(self, *args: object, **options: Any) -> None:
        """Run, print, exit by the result."""
        is_watched = bool(self.stderr.isatty())
        kept = keep_verification(
            asked_by=AskedBy.COMMAND,
            tell_time=clock.now,
            account_id=options["account"],
            say=self._progress() if is_watched else None,
        )
        if kept is None:
            self.stderr.write("Another verification is going on; the console shows where it is. Nothing was looked at.")
            raise SystemExit(4)
        self._tell(kept, is_watched=is_watched, verbosity=options["verbosity"])
        if kept.found:
            raise SystemExit(1)
        if kept.run.late_wallets:
            raise SystemExit(3)

    def _progress(self) -> Callable[[str], None]:
        return lambda line: self.stderr.write(f"{_CLEAR_LINE}{line}", ending="")

    def _tell(self, kept: Kept, *, is_watched: bool, verbosity: int) -> None:
        if is_watched:
            self.stderr.write(_CLEAR_LINE, ending="")
        for found in kept.found:
            self.stderr.write(str(found))
        if kept.run.late_wallets:
            self.stderr.write(f"{kept.run.late_wallets} wallets are overdue: is the worker running? See CONTRIBUTING.md, runbooks.")
        if is_watched:
            self.stderr.write(pace_of(kept.run))
        if verbosity > 1:
            self.stdout.write(f"{kept.run.checks} checks, {len(kept.found)} discrepancies; {pace_of(kept.run)}")


def pace_of(run: VerificationRun) -> str:
    """How much was looked at, in how long."""
    seconds = (run.finished_at - run.started_at).total_seconds() if run.finished_at else 0
    rate = f", {run.entries / seconds:,.0f} a second" if seconds else ""
    return f"{run.accounts:,} accounts, {run.entries:,} entries in {seconds:,.1f} s{rate}"
