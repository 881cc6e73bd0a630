"""Django's registration of the app."""

from django.apps import AppConfig


class CreditsConfig(AppConfig):
    """The ledger."""

    name = "credits"
