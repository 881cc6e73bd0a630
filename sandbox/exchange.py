"""What goes through the sandbox's door: requests, answers, and both together for a test that looks back."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.store import Json


@dataclass(frozen=True)
class Request:
    """One HTTP request; header names in lower case."""

    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True)
class Answer:
    """
    One HTTP answer. `then` is called once it has been written.
    `silent`: nothing is written at all, and the connection is closed.
    """

    status: int
    body: bytes = b""
    content_type: str = "application/json"
    headers: Mapping[str, str] = field(default_factory=dict)
    then: Callable[[], None] | None = None
    silent: bool = False


@dataclass(frozen=True)
class Exchange:
    """One request to the API and its answer, as JSON, for tests that compare both with Stripe's own description."""

    method: str
    path: str
    parameters: Mapping[str, object]
    status: int
    body: Json


def json_answer(status: int, value: object, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer of JSON, indented as Stripe's are."""
    return Answer(status, json.dumps(value, indent=2).encode(), headers=headers or {})


def redirect(url: str) -> Answer:
    """Send a browser on, with GET."""
    return Answer(303, headers={"Location": url})
