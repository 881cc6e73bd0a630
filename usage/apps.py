"""Django's registration of the app."""

from django.apps import AppConfig


class UsageConfig(AppConfig):
    """Metering."""

    name = "usage"
