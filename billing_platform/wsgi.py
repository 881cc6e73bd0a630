"""The web server's entry point."""

import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_platform.settings")

SECRET_LENGTH_MIN = 16

if not settings.STRIPE_WEBHOOK_SECRETS or any(len(secret) < SECRET_LENGTH_MIN for secret in settings.STRIPE_WEBHOOK_SECRETS):
    # Anybody could sign with an empty secret, and have orders paid that nobody paid for.
    message = "STRIPE_WEBHOOK_SECRETS: give the signing secret of the webhook endpoint (whsec_…); without it this process does not start."
    raise ImproperlyConfigured(message)

application = get_wsgi_application()
