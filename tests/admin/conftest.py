"""The house, and operators with and without permissions."""

from collections.abc import Iterator

import pytest
from django.test import Client

from accounts.models import User
from tests.actors import PASSWORD
from tests.admin.house import House, forget, logged_in, make_house
from tests.admin.sales import Sales, make_sales


@pytest.fixture
def house(db: None) -> Iterator[House]:
    yield make_house()
    forget()


@pytest.fixture
def sales(house: House) -> Sales:
    return make_sales()


@pytest.fixture
def boss(house: House) -> Client:
    """A superuser's browser, which the CSRF check treats like any."""
    return logged_in(house.boss)


@pytest.fixture
def clerk(house: House) -> Client:
    """A browser of somebody who works here and may do nothing yet."""
    return logged_in(User.objects.create_user("clerk@example.com", PASSWORD, is_staff=True))
