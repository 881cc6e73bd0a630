"""The payments app."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Orders, attempts, the inbox of provider events, gateways."""

    name = "payments"

    def ready(self) -> None:
        """The mirror must never see a key; its models are loaded now."""
        from payments.gateways import stripe_mirror

        stripe_mirror.prepare()
