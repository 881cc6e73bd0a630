"""Django's registration of the composition root: its commands, tasks and system checks."""

from django.apps import AppConfig


class PlatformConfig(AppConfig):
    """Has no tables of its own."""

    name = "billing_platform"

    def ready(self) -> None:
        """Importing the checks registers them; what the apps sell to each other is connected."""
        from billing_platform import checks, wiring  # noqa: F401 - models must be loaded first

        wiring.connect()
