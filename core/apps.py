"""Django's registration of the kernel."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    """Kernel: the audit trail is its only table."""

    name = "core"
    default_auto_field = "django.db.models.BigAutoField"
