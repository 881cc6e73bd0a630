"""`manage.py adjust_balance`: the admin's dialog, for a shell."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.selectors import get_account
from core import clock, ids
from core.errors import BillingError
from core.money import parse_usd, usd_text
from credits.services.adjustments import adjust_balance
from credits.services.wallets import read_wallet


class Command(BaseCommand):
    """Add or take credits by hand; the audit trail says that the command line did it."""

    help = "Adjust an account's balance by a signed amount in dollars, with a reason."

    def add_arguments(self, parser: CommandParser) -> None:
        """Which account, how much, why."""
        parser.add_argument("--account", required=True, help="public id (32 hex)")
        parser.add_argument("--amount", required=True, help="signed dollars, at most 9 decimals: 20.00 or --amount=-5")
        parser.add_argument("--reason", required=True)
        parser.add_argument("--key", help="repeat an adjustment safely: the same key adjusts once")

    def handle(self, *args: object, **options: Any) -> None:
        """Adjust and print before → after."""
        now = clock.now()
        try:
            account = get_account(options["account"])
            before = read_wallet(account_id=account.pk, now=now)
            entry = adjust_balance(
                account_id=account.pk,
                amount_nanos=parse_usd(options["amount"], field="amount"),
                reason=options["reason"],
                actor_id=None,
                source_key=f"manual:{options['key'] or ids.new_public_id()}",
                now=now,
            )
        except BillingError as error:
            raise CommandError(error.message) from error
        self.stdout.write(f"${usd_text(before.balance_nanos)} → ${usd_text(entry.balance_after_nanos)} (entry {entry.seq})")
