"""Path parts with a shape of their own. What does not fit is a 404 before any view or query."""

from django.urls import register_converter


class PublicIdConverter:
    """A public id: 32 hexadecimal characters, in either case on the wire, in lower case inside."""

    regex = "[0-9a-fA-F]{32}"

    def to_python(self, value: str) -> str:
        return value.lower()

    def to_url(self, value: str) -> str:
        return value


def register_converters() -> None:
    """Make `<public_id:…>` known; call it at the head of a urls.py. Twice is fine."""
    register_converter(PublicIdConverter, "public_id")
