"""Every endpoint answers in one format, whatever `Accept` says."""

from collections.abc import Iterable

from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request


class OneFormat(BaseContentNegotiation):
    """The view's first renderer, always: a 406 to a client that sent a careless `Accept` helps nobody."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """The parser of the body's content type; without one the body is taken as the view's first type, JSON."""
        kind = (request.content_type or "").split(";", 1)[0].strip().lower()
        return next((parser for parser in parsers if kind in {"", parser.media_type}), None)

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[BaseRenderer, str]:
        """The first renderer."""
        _ = request, format_suffix
        first = next(iter(renderers))
        return first, first.media_type or ""
