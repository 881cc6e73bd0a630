"""`manage.py load_demo`: an operator, a price book and a gateway's key, for a machine of one's own."""

import json
import secrets
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from accounts.selectors import Scope, User, list_platform_keys
from accounts.services.api_keys import issue_platform_key, revoke_platform_key
from core import clock
from usage.services.starter_prices import load_starter_prices

OPERATOR_EMAIL: Final = "operator@example.com"
KEY_NAME: Final = "demo gateway"


class Command(BaseCommand):
    """Run as often as wanted: the operator's password and the gateway's key are made anew each time, everything else once."""

    help = "Load the demo: an operator, public list prices, a platform key. Only on a machine of one's own (LOCAL_HTTP=1)."

    def add_arguments(self, parser: CommandParser) -> None:
        """Words or JSON."""
        parser.add_argument("--json", action="store_true", help="print the logins as JSON")

    def handle(self, *args: object, **options: Any) -> None:
        """Load, then print what to log in with."""
        if not settings.LOCAL_HTTP:
            raise CommandError("Demo data is for a machine of your own: set LOCAL_HTTP=1, never in production.")
        with transaction.atomic():
            logins = {
                "operator": _operator(),
                "platform_key": _platform_key(),
                "models_added": load_starter_prices(now=clock.now()),
            }
        if options["json"]:
            self.stdout.write(json.dumps(logins))
        else:
            self.stdout.write("\n".join(f"{name}: {value}" for name, value in logins.items()))


def _operator() -> dict[str, str]:
    password = secrets.token_urlsafe(12)
    operator = User.objects.filter(email=OPERATOR_EMAIL).first() or User.objects.create_superuser(OPERATOR_EMAIL)
    operator.set_password(password)
    operator.save(update_fields=["password"])
    return {"email": OPERATOR_EMAIL, "password": password}


def _platform_key() -> str:
    now = clock.now()
    operator = User.objects.get(email=OPERATOR_EMAIL)
    for key in list_platform_keys().filter(name=KEY_NAME, revoked_at=None):
        revoke_platform_key(key_id=key.pk, actor_id=operator.pk, reason="replaced by load_demo", now=now)
    scopes = [Scope.USAGE_WRITE, Scope.USAGE_READ, Scope.BILLING_READ]
    return issue_platform_key(name=KEY_NAME, scopes=scopes, actor_id=operator.pk, reason="load_demo", now=now).secret
