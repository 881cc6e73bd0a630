"""What every test of metering starts from."""

from collections.abc import Iterator

import pytest

from accounts.services.api_keys import IssuedKey
from tests import actors, factories


@pytest.fixture(autouse=True)
def no_memories() -> Iterator[None]:
    factories.forget_memories()
    yield
    factories.forget_memories()


@pytest.fixture
def gateway_key(db: None) -> IssuedKey:
    return actors.platform_key()
