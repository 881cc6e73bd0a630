"""`manage.py ensure_webhook_endpoint`: have Stripe tell us what happens, at this deployment's address."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from core.errors import BillingError
from payments.gateways.stripe_gateway import ensure_webhook_endpoint

PATH = "/payment/webhook/stripe"


class Command(BaseCommand):
    """Stripe shows a signing secret once, when the endpoint is made; so does this command."""

    help = "Make Stripe's webhook endpoint for PUBLIC_URL, or bring its list of events up to date; a new one's secret is printed."

    def handle(self, *args: object, **options: Any) -> None:
        """Make or update it."""
        url = f"{settings.PUBLIC_URL.rstrip('/')}{PATH}"
        try:
            secret = ensure_webhook_endpoint(url)
        except BillingError as error:
            raise CommandError(error.message) from error
        if secret:
            self.stdout.write(f"STRIPE_WEBHOOK_SECRETS={secret}")
            self.stderr.write(f"Stripe sends its events to {url} now. Put the line above into the environment and start the web process.")
        else:
            self.stderr.write(f"Stripe sends its events to {url} already; what it sends was brought up to date. Its secret is yours.")
