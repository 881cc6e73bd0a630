"""Django's registration of the app."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Who may do what, for which account."""

    name = "accounts"
