"""How a request names its account and its page, for the OpenAPI document."""

from typing import Final

from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter

from accounts.api.access import ACCOUNT_HEADER, ACCOUNT_QUERY

ACCOUNT_PARAMETERS: Final = [
    OpenApiParameter(
        ACCOUNT_HEADER,
        str,
        OpenApiParameter.HEADER,
        description="Which of a person's accounts is meant (32 hexadecimal characters); the personal one where it is left out.",
    ),
    OpenApiParameter(
        ACCOUNT_QUERY,
        str,
        OpenApiParameter.QUERY,
        description="Names the account. A platform key must; for others it must be one of their own.",
    ),
]


def page_parameters(default: int, maximum: int = 100) -> list[OpenApiParameter]:
    """`limit` and `offset`; beyond the cap is a 400."""
    limit = {"type": "integer", "minimum": 1, "maximum": maximum, "default": default}
    offset = {"type": "integer", "minimum": 0, "default": 0}
    return [OpenApiParameter("limit", limit), OpenApiParameter("offset", offset)]


def cursor_parameters(default: int, maximum: int = 100) -> list[OpenApiParameter]:
    """`limit` and an opaque `cursor` from the page before."""
    return [page_parameters(default, maximum)[0], OpenApiParameter("cursor", OpenApiTypes.STR)]
