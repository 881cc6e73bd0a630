"""POST /v1/usage/events: a gateway reports what was used."""

from typing import ClassVar

import msgspec
from django.http import HttpResponse
from rest_framework.exceptions import UnsupportedMediaType
from rest_framework.request import Request

from accounts.api.access import PlatformKeyOnly
from core import clock
from core.api.dialects import PROBLEM, Dialect
from core.api.views import ApiView
from usage.services.ingest import ingest


class UsageEventsView(ApiView):
    """Takes 1 to 5,000 events from a platform key. No serializer on the hot path: msgspec decodes, each event by itself."""

    dialect: ClassVar[Dialect] = PROBLEM
    permission_classes = (PlatformKeyOnly,)

    def post(self, request: Request) -> HttpResponse:
        """Book a batch. What is wrong with one event is told in the answer; a repeat is never charged twice."""
        if self.get_content_negotiator().select_parser(request, self.get_parsers()) is None:
            raise UnsupportedMediaType(request.content_type)
        answer = ingest(request.body, now=clock.now())
        return HttpResponse(msgspec.json.encode(answer), content_type="application/json")
