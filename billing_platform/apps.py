"""Django's registration of the composition root: its commands, tasks and system checks."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """Has no tables of its own."""

    name = "billing_platform"

    def ready(self) -> None:
        """Importing the checks registers them."""
        from billing_platform import checks  # noqa: F401 - models must be loaded first
