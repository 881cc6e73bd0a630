"""Django's registration of the operators' console."""

from django.apps import AppConfig
from django.contrib.admin.apps import AdminConfig


class ConsoleConfig(AppConfig):
    """Templates of the console stand before unfold's."""

    name = "billing_platform.console"
    label = "console"


class ConsoleAdminConfig(AdminConfig):
    """One admin site, the console's, for every app's `admin.register`."""

    default_site = "billing_platform.console.site.ConsoleSite"
