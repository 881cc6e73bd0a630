"""`manage.py import_prices FILE`: a public price list in LiteLLM's layout, as drafts."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from core import clock
from core.console.dialogs import REASON_MIN
from core.errors import BillingError
from usage.rating import BASIS_POINTS
from usage.services.price_import import ImportTerms, Outcome, Plan, import_prices, plan_import, told_changes
from usage.services.price_list import LIST_MAX_BYTES
from usage.services.prices import ACTIVATED_AT_ONCE, activate_price_versions


class Command(BaseCommand):
    """Says what the list changes, and makes drafts of it; puts them in force only where it is told to, with a reason."""

    help = "Import a price list in the layout of LiteLLM's model_prices_and_context_window.json, as drafts."

    def add_arguments(self, parser: CommandParser) -> None:
        """What is taken, at which markup, from when on, and whether it is only shown."""
        parser.add_argument("file", type=Path)
        parser.add_argument(
            "--markup-bp", type=int, default=BASIS_POINTS, help="Our price in basis points of the list's: 12000 is 20 per cent more."
        )
        parser.add_argument("--effective-at", type=_instant, help="From when on, such as 2026-01-31T00:00Z; now, if it is left out.")
        parser.add_argument("--only", default="", help="Models of this pattern, such as 'gpt-*'.")
        parser.add_argument("--provider", default="", help="Models of this litellm_provider.")
        parser.add_argument(
            "--activate",
            action="store_true",
            help=f"Put them in force, {ACTIVATED_AT_ONCE} at once: each lot 60 seconds after its turn at the earliest."
            " Where it stops half-way, the same import again goes on.",
        )
        parser.add_argument("--reason", default="", help="Why, for the audit trail; needed with --activate.")
        parser.add_argument("--dry-run", action="store_true", help="Say what would change, and write nothing.")

    def handle(self, *args: object, **options: Any) -> None:
        """Show the plan, then do it. Raises CommandError with the reason where the file or an option is not usable."""
        if options["activate"] and len(options["reason"].strip()) < REASON_MIN:
            raise CommandError(f"--activate needs a --reason of at least {REASON_MIN} characters; it is kept in the audit trail.")
        now = clock.now()
        terms = ImportTerms(options["markup_bp"], options["effective_at"] or now, options["only"], options["provider"])
        try:
            self._import(_read(options["file"]), terms, now, options)
        except BillingError as error:
            raise CommandError(f"{error.message} Nothing was written.") from error

    def _import(self, raw: bytes, terms: ImportTerms, now: datetime, options: dict[str, Any]) -> None:
        if options["dry_run"]:
            plan = plan_import(raw=raw, terms=terms, now=now)
            self._show(plan)
            self.stdout.write(f"{len(plan.wanted)} drafts would be made; nothing was written.")
            return
        reason = options["reason"] or f"price list {options['file'].name}"
        done = import_prices(raw=raw, terms=terms, actor_id=None, reason=reason, now=now)
        self._show(done.plan)
        activated = _activate(done.waiting, reason) if options["activate"] else 0
        self.stdout.write(f"{len(done.drafts)} drafts made, {activated} prices activated.")

    def _show(self, plan: Plan) -> None:
        for line in plan.of(Outcome.NEW, Outcome.CHANGED, Outcome.REFUSED):
            self.stdout.write(f"{line.outcome} {line.code}: {line.why or '; '.join(told_changes(line, plan.terms))}")
        for field, models in plan.unused.most_common():
            self.stdout.write(f"not imported: {field}, which {models} of these models have")
        counts = ", ".join(f"{len(plan.of(outcome))} {outcome}" for outcome in Outcome)
        self.stdout.write(f"{len(plan.lines)} models of the list: {counts}.")


def _activate(version_ids: Sequence[int], reason: str) -> int:
    """Lot by lot, each by its own clock. Returns how many. Raises CommandError with how far it came."""
    activated = 0
    for first in range(0, len(version_ids), ACTIVATED_AT_ONCE):
        lot = version_ids[first : first + ACTIVATED_AT_ONCE]
        try:
            activated += activate_price_versions(version_ids=lot, actor_id=None, reason=reason, now=clock.now())
        except BillingError as error:
            left = len(version_ids) - activated
            raise CommandError(f"{error.message} {activated} prices were activated, {left} wait as drafts.") from error
    return activated


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LIST_MAX_BYTES + 1)
    except OSError as error:
        raise CommandError(f"{path} cannot be read: {error.strerror}.") from error


def _instant(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)
