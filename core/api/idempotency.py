"""`Idempotency-Key` on the wire: by this header a client says that a request is the same one again. Optional everywhere."""

import re
from typing import Final

from drf_spectacular.utils import OpenApiParameter
from rest_framework.request import Request

from core.errors import InvalidInput
from core.idempotency import KEY_MAX, Asked, fingerprint_of

KEY_HEADER: Final = "Idempotency-Key"
REPLAYED_HEADER: Final = "Idempotent-Replayed"

_KEY: Final = re.compile(rf"[ -~]{{1,{KEY_MAX}}}", re.ASCII)

IDEMPOTENCY_PARAMETERS: Final = [
    OpenApiParameter(
        KEY_HEADER,
        {"type": "string", "minLength": 1, "maxLength": KEY_MAX},
        OpenApiParameter.HEADER,
        description="A name of your own for this request. Sent again within a day, with the same body, it has the first answer.",
    ),
    OpenApiParameter(
        REPLAYED_HEADER,
        {"type": "string", "enum": ["true"]},
        OpenApiParameter.HEADER,
        response=[200],
        description="The first answer, given again: nothing was done this time.",
    ),
]


def read_asked(request: Request, *, account: str) -> Asked | None:
    """
    How the request names itself, None where it does not. `account`: the public id of the account it is about.

    One key means one act of one account at one path, whoever of the account sends it. What was asked is the parsed body, so that
    blanks and the order of its fields make no difference. Raises InvalidInput `invalid_idempotency_key`.
    """
    key = request.headers.get(KEY_HEADER)
    if key is None:
        return None
    if _KEY.fullmatch(key) is None:
        message = f"An {KEY_HEADER} has 1 to {KEY_MAX} printable ASCII characters."
        raise InvalidInput(message, code="invalid_idempotency_key", field=KEY_HEADER)
    return Asked(f"{account} {request.method} {request.path}", key, fingerprint_of({"body": request.data}))


def replay_headers(*, is_replayed: bool) -> dict[str, str]:
    """What an answer that was given before carries."""
    return {REPLAYED_HEADER: "true"} if is_replayed else {}
