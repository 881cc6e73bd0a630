"""The id of the request being answered: in every log line, answer and audit row."""

import re
import uuid
from contextvars import ContextVar
from typing import Final

_SANE: Final = re.compile(r"[A-Za-z0-9._-]{8,64}", re.ASCII)
_current: ContextVar[str] = ContextVar("request_id", default="")


def current_request_id() -> str:
    """The id of the request this thread is answering, or answered last (Django logs a failure after the fact); empty before any."""
    return _current.get()


def begin(incoming: str | None) -> str:
    """Take the caller's id where it is sane (8 to 64 letters, digits, `.`, `_`, `-`), else make one; it is current from now on."""
    request_id = incoming if incoming and _SANE.fullmatch(incoming) else uuid.uuid4().hex
    _current.set(request_id)
    return request_id
