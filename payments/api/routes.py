"""The shape of an order's public id in a path. What does not fit is a 404 before any view or query."""

from django.urls import register_converter


class OrderIdConverter:
    """`ord_` and 32 hexadecimal characters."""

    regex = "ord_[0-9a-f]{32}"

    def to_python(self, value: str) -> str:
        return value

    def to_url(self, value: str) -> str:
        return value


def register_converters() -> None:
    """Make `<order_id:…>` known; call it at the head of a urls.py. Twice is fine."""
    register_converter(OrderIdConverter, "order_id")
