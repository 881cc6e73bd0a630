"""`manage.py load_roles`: make the operators' roles, or set them back to what the code says."""

from typing import Any

from django.core.management.base import BaseCommand

from billing_platform.console.roles import load_roles


class Command(BaseCommand):
    help = "Make the operators' roles (support, billing operations, finance) with their permissions; members stay."

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Roles: {', '.join(load_roles())}.")
