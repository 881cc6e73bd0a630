"""`manage.py rebuild_rollups`: the reports' counts against the events, told and mended."""

from datetime import date
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.selectors import get_account
from core import clock
from core.errors import BillingError
from usage.services.rebuilding import Recount, check_rollups, rebuild_rollups


class Command(BaseCommand):
    """
    Exit code 0: roll-ups are a recount of the events. 1: some were not; each difference is printed, and mended unless `--check`.

    2: wrong arguments. On a terminal it shows how far it is. It may run beside ingest, and be killed and run again.
    """

    help = "Recount daily, quarter-hour and lifetime roll-ups from the events; print every difference, and mend it unless --check."

    def add_arguments(self, parser: CommandParser) -> None:
        """Whose, since when, and whether to mend."""
        parser.add_argument("--account", help="public id (32 hex) of one account")
        parser.add_argument(
            "--from", dest="since", type=date.fromisoformat, help="only days and quarter-hours from this day on, not lifetimes"
        )
        parser.add_argument("--check", action="store_true", help="only look")
        parser.add_argument("--reason", help="why it is mended, for the audit trail; required without --check")

    def handle(self, *args: object, **options: Any) -> None:
        """Recount, print, exit by the result."""
        if not options["check"] and not (options["reason"] or "").strip():
            raise CommandError("Say why it is mended: --reason. Or only look: --check.", returncode=2)
        found = self._run(**options)
        if not found.accounts:
            return
        rows = ", ".join(f"{count} rows of {table}" for table, count in found.rows.items())
        self.stdout.write(f"{len(found.accounts)} of {found.looked_at} accounts: {rows} {'differ' if options['check'] else 'were mended'}")
        raise SystemExit(1)

    def _run(self, **options: Any) -> Recount:
        try:
            account_id = get_account(options["account"]).pk if options["account"] else None
        except BillingError as error:
            raise CommandError(error.message, returncode=2) from error
        is_watched = self.stderr.isatty() or options["verbosity"] > 1
        common: dict[str, Any] = {"account_id": account_id, "since": options["since"], "now": clock.now(), "say": self.stdout.write}
        if is_watched:
            common["watch"] = lambda accounts, differing: self.stderr.write(f"{accounts:,} accounts looked at, {differing:,} differ")
        return check_rollups(**common) if options["check"] else rebuild_rollups(**common, reason=options["reason"])
