"""`manage.py load_starter_prices`: a price book to start with."""

from django.core.management.base import BaseCommand

from core import clock
from usage.services.starter_prices import load_starter_prices


class Command(BaseCommand):
    """Adds the listed models that are not there yet, with their public list prices in force; changes nothing else."""

    help = "Add well-known models at public list prices; prices that exist are left alone."

    def handle(self, *args: object, **options: object) -> None:
        """Add and say how many."""
        self.stdout.write(f"{load_starter_prices(now=clock.now())} models added")
