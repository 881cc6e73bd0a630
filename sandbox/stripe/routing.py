"""Which function answers which method and path."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from sandbox.store import Json
from sandbox.stripe.act import Act
from sandbox.stripe.parameters import EXPAND, Fields


@dataclass(frozen=True)
class Call:
    """A request whose parameters have been checked: by name in `given`, from the path in `ids`."""

    act: Act
    path: str
    ids: Mapping[str, str]
    given: Mapping[str, object]

    def text(self, name: str) -> str | None:
        """A parameter that is a string, if given."""
        value = self.given.get(name)
        return None if value is None else str(value)

    def record(self, name: str) -> Json:
        """A parameter that is a record; empty if not given."""
        value = self.given.get(name)
        return dict(value) if isinstance(value, Mapping) else {}


@dataclass(frozen=True)
class Route:
    """One endpoint. `takes`, `required` and `unsupported` as in `parameters.record`; `{name}` in the path is an id."""

    method: str
    path: str
    answer: Callable[[Call], Json]
    takes: Fields = field(default_factory=lambda: EXPAND)
    required: Iterable[str] = ()
    unsupported: Iterable[str] = ()

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """The path as an expression, with a group per id."""
        return re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[A-Za-z0-9_]{1,100})", self.path))


def find(routes: Iterable[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]] | None:
    """The route of a request and the ids in its path."""
    for route in routes:
        match = route.pattern.fullmatch(path) if route.method == method else None
        if match is not None:
            return route, match.groupdict()
    return None
