"""`manage.py shadow_run`: what a price would have charged for the usage of the last days."""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from core import clock
from core.errors import BillingError
from core.money import usd_signed
from usage.models import ShadowRun
from usage.services.shadow_runs import ask_for_shadow_run, work_off
from usage.services.shadow_words import summary


class Command(BaseCommand):
    """Replays usage by a price version and prints what that would have changed. Charges nobody anything."""

    help = "Replay the usage of the last days by a price version, mostly a draft, and say what would have changed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """The version and the days."""
        parser.add_argument("version", type=int, help="The price version's id, as its page in the admin has it.")
        parser.add_argument("--days", type=int, default=30, help="How many days back, 1 to 90 (30).")

    def handle(self, *args: object, **options: Any) -> None:
        """Ask for it, do it here, print progress on stderr and the result on stdout."""
        said = {"version_id": options["version"], "days": options["days"], "reason": "From the command line."}
        try:
            run = ask_for_shadow_run(**said, actor_id=None, now=clock.now(), by_worker=False)
        except BillingError as error:
            raise CommandError(error.message) from error
        work_off(run_id=run.pk, tell_time=clock.now, say=self._progress)
        run.refresh_from_db()
        if run.result is None:
            how = f"failed: {run.problem}" if run.problem else "is being worked on by somebody else; see it in the admin."
            raise CommandError(f"Shadow run {run.pk} {how}")
        for line in result_lines(run.result):
            self.stdout.write(line)

    def _progress(self, run: ShadowRun) -> None:
        self.stderr.write(f"{run.accounts_done:,} of {run.accounts:,} accounts, {run.events_done:,} events")


def result_lines(result: dict[str, Any]) -> list[str]:
    """The result in words, a line each."""
    changed = [
        f"{title}: account {row['account']}: {usd_signed(row['before_nanos'])} → {usd_signed(row['after_nanos'])}"
        for title, name in (("More", "most_more"), ("Less", "most_less"))
        for row in result[name]
    ]
    dry = [f"Dry: account {row['account']}: down to {usd_signed(row['lowest_nanos'])}" for row in result["dry"]["driest"]]
    too_dear = [f"Out of range: account {row['account']}: {row['event_id']}" for row in result["out_of_range"]["first"]]
    return [*(f"{word}: {value}" for word, value in summary(result)), *changed, *dry, *too_dear]
