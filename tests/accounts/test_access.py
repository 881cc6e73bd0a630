"""For which account a request acts: persons, customers' keys, platform keys, and the ways to name one."""

import pytest
from django.test import RequestFactory
from pytest_django import DjangoAssertNumQueries
from rest_framework.request import Request
from rest_framework.views import APIView

from accounts.api.access import PlatformKeyOnly, account_of, caller_of
from accounts.api.authentication import BearerAuthentication, CallerKind
from accounts.errors import AccountAmbiguous, AccountRequired, MissingScope, PlatformKeyRequired, RoleTooLow
from accounts.models.membership import Role
from accounts.selectors import Scope
from core.errors import NotAuthenticated, NotFound
from tests.actors import Cast, bearer, customer_key, join, platform_key
from tests.conftest import Credential

pytestmark = pytest.mark.django_db


def request_by(by: Credential, query: str = "", **headers: str) -> Request:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if by is not None:
        sent["authorization"] = f"Bearer {bearer(by)}"
    return Request(RequestFactory().get(f"/?{query}", headers=sent), authenticators=[BearerAuthentication()])


def test_a_person_means_the_personal_account(cast: Cast) -> None:
    assert account_of(request_by(cast.bob), scope=None) == cast.bob.account


def test_a_member_names_an_account_in_any_of_three_ways(cast: Cast) -> None:
    public_id = cast.alice.account.public_id

    assert account_of(request_by(cast.bob, x_account=public_id.upper()), scope=None) == cast.alice.account
    assert account_of(request_by(cast.bob, f"account={public_id}"), scope=None) == cast.alice.account
    assert account_of(request_by(cast.bob), scope=None, named=public_id, path=True) == cast.alice.account


def test_a_stranger_names_it_in_vain(cast: Cast) -> None:
    public_id, own = cast.alice.account.public_id, cast.charlie.account.public_id
    for request, named in (
        (request_by(cast.charlie, x_account=public_id), None),
        (request_by(cast.charlie, f"account={public_id}"), None),
        (request_by(cast.charlie), public_id),
        (request_by(cast.charlie, x_account=own), public_id),
        (request_by(cast.charlie, f"account={public_id}", x_account=own), None),
        (request_by(cast.charlie, x_account="not-an-id"), None),
        (request_by(customer_key(cast.charlie), x_account=public_id), None),
        (request_by(customer_key(cast.charlie), f"account={public_id}"), None),
        (request_by(customer_key(cast.charlie)), public_id),
    ):
        with pytest.raises(NotFound):
            account_of(request, scope=None, named=named)


def test_naming_two_of_ones_own_accounts_is_refused(cast: Cast) -> None:
    request = request_by(cast.bob, f"account={cast.alice.account.public_id}", x_account=cast.bob.account.public_id)

    with pytest.raises(AccountAmbiguous):
        account_of(request, scope=None)


def test_a_role_is_asked_of_members(cast: Cast) -> None:
    request = request_by(cast.bob, x_account=cast.alice.account.public_id)

    with pytest.raises(RoleTooLow):
        account_of(request, scope=None, role=Role.ADMIN)
    assert account_of(request, scope=None, role=Role.VIEWER) == cast.alice.account


@pytest.mark.parametrize("held", Role)
@pytest.mark.parametrize("needed", Role)
def test_roles_reach_what_is_below_them(held: Role, needed: Role) -> None:
    ranks = [Role.VIEWER, Role.ADMIN, Role.OWNER]

    assert held.reaches(needed) == (ranks.index(held) >= ranks.index(needed))


def test_a_customers_key_means_its_account_by_its_scopes(cast: Cast) -> None:
    key = customer_key(cast.alice, ["billing:read"])

    assert account_of(request_by(key), scope=Scope.BILLING_READ) == cast.alice.account
    assert account_of(request_by(key, f"account={cast.alice.account.public_id}"), scope=None) == cast.alice.account
    with pytest.raises(MissingScope):
        account_of(request_by(key), scope=Scope.USAGE_READ)


def test_a_platform_key_must_name_the_account(cast: Cast) -> None:
    key, public_id = platform_key(), cast.alice.account.public_id

    assert account_of(request_by(key, f"account={public_id}"), scope=Scope.USAGE_READ) == cast.alice.account
    assert account_of(request_by(key), scope=None, named=public_id) == cast.alice.account
    for request in (request_by(key), request_by(key, x_account=public_id), request_by(key, "account=")):
        with pytest.raises(AccountRequired):
            account_of(request, scope=None)
    with pytest.raises(NotFound):
        account_of(request_by(key, f"account={'f' * 32}"), scope=None)
    with pytest.raises(MissingScope):
        account_of(request_by(platform_key(["usage:write"]), f"account={public_id}"), scope=Scope.USAGE_READ)


def test_a_platform_key_that_names_two_accounts_is_refused(cast: Cast) -> None:
    request = request_by(platform_key(), f"account={cast.alice.account.public_id}")

    with pytest.raises(AccountAmbiguous):
        account_of(request, scope=None, named=cast.charlie.account.public_id)


def test_usage_is_taken_from_platform_keys_that_may_write_it(cast: Cast, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    view, key = APIView(), platform_key(["usage:write"])
    for by in (cast.alice, customer_key(cast.alice)):
        with pytest.raises(PlatformKeyRequired):
            PlatformKeyOnly().has_permission(request_by(by), view)
    with pytest.raises(MissingScope):
        PlatformKeyOnly().has_permission(request_by(platform_key(["usage:read"])), view)
    with pytest.raises(NotAuthenticated):
        PlatformKeyOnly().has_permission(request_by(None), view)
    assert PlatformKeyOnly().has_permission(request_by(key), view)

    with django_assert_num_queries(0):
        assert PlatformKeyOnly().has_permission(request_by(key), view)


def test_a_caller_says_what_kind_it_is(cast: Cast) -> None:
    callers = [caller_of(request_by(by)) for by in (cast.alice, customer_key(cast.alice), platform_key())]

    assert [caller.kind for caller in callers] == [CallerKind.PERSON, CallerKind.CUSTOMER_KEY, CallerKind.PLATFORM_KEY]
    assert [caller.account_id for caller in callers] == [None, cast.alice.account.pk, None]
    assert callers[0].user_id == cast.alice.user.pk
    assert len({caller.identity for caller in callers}) == 3


def test_me_lists_the_accounts_of_a_person(cast: Cast) -> None:
    join(cast.charlie, cast.bob.account, Role.ADMIN)

    request = request_by(cast.charlie, x_account=cast.bob.account.public_id)

    assert account_of(request, scope=None, role=Role.ADMIN) == cast.bob.account
