"""The web server's entry point."""

import gc
import os

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.wsgi import get_wsgi_application
from django.urls import get_resolver

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "billing_platform.settings")

SECRET_LENGTH_MIN = 16

if not settings.STRIPE_WEBHOOK_SECRETS or any(len(secret) < SECRET_LENGTH_MIN for secret in settings.STRIPE_WEBHOOK_SECRETS):
    # Anybody could sign with an empty secret, and have orders paid that nobody paid for.
    message = "STRIPE_WEBHOOK_SECRETS: give the signing secret of the webhook endpoint (whsec_…); without it this process does not start."
    raise ImproperlyConfigured(message)

application = get_wsgi_application()

# Every view is loaded before the workers fork, and not by the first request of each. What is loaded by now stays until the end: the
# collector need not look at it again, and the workers keep sharing its pages.
get_resolver().url_patterns  # noqa: B018
gc.collect()
gc.freeze()
