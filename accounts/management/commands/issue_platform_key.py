"""Makes a key for one of the platform's own gateways and prints its secret, once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.selectors import Scope, User
from accounts.services.api_keys import issue_platform_key
from core import clock
from core.errors import BillingError


class Command(BaseCommand):
    help = "Issue a platform key: prints the secret alone on standard output, and what it is on standard error."

    def add_arguments(self, parser: CommandParser) -> None:
        every = [scope.value for scope in Scope]
        parser.add_argument("--name", required=True, help="What people call it, for example the gateway's name.")
        parser.add_argument("--scope", dest="scopes", action="append", choices=every, help="May stand several times; all if left out.")
        parser.add_argument("--operator", metavar="EMAIL", help="Who asks for it; the audit row names them.")
        parser.add_argument("--reason", default="Issued from the command line.", help="Why; the audit row keeps it.")

    def handle(self, *args: Any, **options: Any) -> None:
        scopes = options["scopes"] or [scope.value for scope in Scope]
        try:
            issued = issue_platform_key(
                name=options["name"],
                scopes=scopes,
                actor_id=_operator_id(options["operator"]),
                reason=options["reason"],
                now=clock.now(),
            )
        except BillingError as error:
            raise CommandError(error.message) from error
        self.stderr.write(f"Platform key {issued.key.public_id} ({issued.key.name}); its secret is shown this once:")
        self.stdout.write(issued.secret)


def _operator_id(email: str | None) -> int | None:
    if email is None:
        return None
    operator = User.objects.filter(email=email.strip().lower(), is_staff=True, is_active=True).first()
    if operator is None:
        raise CommandError(f"There is no active operator {email}.")
    return operator.pk
