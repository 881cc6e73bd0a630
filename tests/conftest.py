"""Fixtures that every test may ask for."""

import json
from dataclasses import dataclass
from typing import Any, TypeAlias

import pytest
from django.test import Client

from accounts.services.api_keys import IssuedKey
from tests import actors
from tests.actors import Cast, Person

Credential = Person | IssuedKey | str | None
Answer: TypeAlias = Any
"""What Django's test client answers: an HttpResponse to which it adds `json()` and more at run time."""


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "slow: takes most of a minute; leave it out by -m 'not slow'")


@dataclass(frozen=True)
class Api:
    """The API as a client sees it, through every middleware. `by` is who asks; answers are Django's test responses."""

    client: Client

    def get(self, path: str, by: Credential = None, **headers: str) -> Answer:
        return self.send("GET", path, by, **headers)

    def post(self, path: str, body: object = None, by: Credential = None, **headers: str) -> Answer:
        return self.send("POST", path, by, body, **headers)

    def put(self, path: str, body: object = None, by: Credential = None, **headers: str) -> Answer:
        return self.send("PUT", path, by, body, **headers)

    def patch(self, path: str, body: object = None, by: Credential = None, **headers: str) -> Answer:
        return self.send("PATCH", path, by, body, **headers)

    def delete(self, path: str, by: Credential = None, **headers: str) -> Answer:
        return self.send("DELETE", path, by, **headers)

    def send(self, method: str, path: str, by: Credential = None, body: object = None, **headers: str) -> Answer:
        """One request. `body`: bytes as they are, else JSON. Headers as keywords: `x_account="…"`."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        if by is not None:
            sent["authorization"] = f"Bearer {actors.bearer(by)}"
        # The test client serialises what is not text or bytes.
        data = b"" if body is None else body
        return self.client.generic(method, path, _encoded(data), content_type="application/json", headers=sent)


def _encoded(data: object) -> bytes | str:
    return data if isinstance(data, (bytes, str)) else json.dumps(data)


@pytest.fixture
def api() -> Api:
    return Api(Client(raise_request_exception=False))


@pytest.fixture
def cast(db: None) -> Cast:
    return actors.make_cast()


@pytest.fixture
def alice(cast: Cast) -> Person:
    return cast.alice


@pytest.fixture
def charlie(cast: Cast) -> Person:
    return cast.charlie
