"""API keys: made, shown once, used, revoked."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command
from django.db import IntegrityError, transaction
from pytest_django import DjangoAssertNumQueries

from accounts.errors import TooManyKeys
from accounts.models import ApiKey, Membership
from accounts.models.membership import Role
from accounts.selectors import find_presented_key, forget_presented_keys
from accounts.services import api_keys
from core import clock, ids
from core.errors import InvalidInput
from core.models import AuditRecord
from tests.actors import Cast, Person, customer_key, make_operator, make_person, platform_key
from tests.conftest import Api
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db


def test_a_key_is_shown_once_and_kept_as_a_hash(api: Api, alice: Person) -> None:
    made = api.post("/auth/api-keys", {"name": "laptop", "scopes": ["billing:read"]}, alice)

    body = made.json()
    key = ApiKey.objects.get(public_id=body["id"])
    assert made.status_code == 201
    assert body["secret"].startswith("sk_")
    assert key.secret_hash == ids.secret_digest(body["secret"])
    assert body["secret"].startswith(key.prefix)
    assert len(key.prefix) < 12
    listed = api.get("/auth/api-keys", alice)
    assert body["secret"] not in listed.content.decode()
    assert listed.json() == {"items": [{name: body[name] for name in body if name != "secret"}], "total": 1, "limit": 50, "offset": 0}


def test_a_key_may_read_only_unless_asked_for_more(api: Api, alice: Person) -> None:
    assert api.post("/auth/api-keys", {"name": "k"}, alice).json()["scopes"] == ["billing:read", "usage:read"]


def test_a_customer_cannot_make_a_key_that_writes_usage(api: Api, alice: Person) -> None:
    answer = api.post("/auth/api-keys", {"name": "k", "scopes": ["usage:write"]}, alice)

    assert answer.status_code == 400
    assert answer.json()["errors"][0]["field"] == "scopes.0"
    assert not ApiKey.objects.exists()


def test_neither_a_service_nor_raw_sql_can_give_a_customer_usage_write(alice: Person) -> None:
    with pytest.raises(InvalidInput):
        customer_key(alice, ["usage:write"])
    key = customer_key(alice).key
    with pytest.raises(IntegrityError, match="api_key_customers_never_write_usage"), transaction.atomic():
        ApiKey.objects.filter(pk=key.pk).update(scopes=["usage:write"])


def test_a_warm_key_costs_no_query(alice: Person, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    secret = customer_key(alice).secret

    with django_assert_num_queries(1):
        assert find_presented_key(secret) == find_presented_key(secret)


def test_an_unknown_secret_is_asked_for_every_time(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(2):
        assert find_presented_key("sk_x") is None
        assert find_presented_key("sk_x") is None


def test_a_revoked_key_stops_and_revoking_twice_is_fine(api: Api, alice: Person) -> None:
    issued = customer_key(alice)
    assert api.get("/v1/account", issued).status_code == 200

    statuses = [api.delete(f"/auth/api-keys/{issued.key.public_id}", alice).status_code for _ in range(2)]
    first_revoked_at = ApiKey.objects.get().revoked_at

    assert statuses == [204, 204]
    assert api.get("/v1/account", issued).status_code == 401
    assert first_revoked_at is not None
    assert api.get("/auth/api-keys", alice).json()["items"][0]["revoked_at"] is not None


def test_a_key_revoked_elsewhere_stops_when_its_memory_ends(api: Api, alice: Person) -> None:
    issued = customer_key(alice)
    assert api.get("/v1/account", issued).status_code == 200
    ApiKey.objects.update(revoked_at=clock.now())

    forget_presented_keys()  # What five seconds do.

    assert api.get("/v1/account", issued).status_code == 401


def test_an_expired_key_is_refused_even_while_remembered(api: Api, alice: Person) -> None:
    issued = customer_key(alice)
    record = find_presented_key(issued.secret)
    assert record is not None
    ApiKey.objects.update(expires_at=clock.now() - timedelta(seconds=1))
    forget_presented_keys()

    assert api.get("/v1/account", issued).status_code == 401


def test_an_expiry_lies_in_the_future(api: Api, alice: Person) -> None:
    answer = api.post("/auth/api-keys", {"name": "k", "expires_at": "2020-01-01T00:00:00Z"}, alice)

    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "expires_at")
    assert not ApiKey.objects.exists()


def test_a_key_is_renamed(api: Api, alice: Person) -> None:
    issued = customer_key(alice)

    answer = api.patch(f"/auth/api-keys/{issued.key.public_id}", {"name": "server"}, alice)

    assert (answer.status_code, answer.json()["name"]) == (200, "server")


def test_a_viewer_lists_keys_but_manages_none(api: Api, cast: Cast) -> None:
    issued = customer_key(cast.alice)
    account = cast.alice.account.public_id

    assert api.get("/auth/api-keys", cast.bob, x_account=account).json()["total"] == 1
    refusals = [
        api.post("/auth/api-keys", {"name": "k"}, cast.bob, x_account=account),
        api.patch(f"/auth/api-keys/{issued.key.public_id}", {"name": "mine"}, cast.bob, x_account=account),
        api.delete(f"/auth/api-keys/{issued.key.public_id}", cast.bob, x_account=account),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in refusals] == [(403, "role_too_low")] * 3
    assert ApiKey.objects.get().name == "tests"
    assert ApiKey.objects.get().revoked_at is None


def test_an_admin_manages_keys(api: Api, cast: Cast) -> None:
    Membership.objects.filter(user=cast.bob.user, account=cast.alice.account).update(role=Role.ADMIN)

    answer = api.post("/auth/api-keys", {"name": "k"}, cast.bob, x_account=cast.alice.account.public_id)

    assert answer.status_code == 201
    assert ApiKey.objects.get().account == cast.alice.account


def test_a_key_makes_no_keys(api: Api, alice: Person) -> None:
    answer = api.post("/auth/api-keys", {"name": "k"}, customer_key(alice))

    assert (answer.status_code, answer.json()["code"]) == (403, "person_required")
    assert ApiKey.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_the_cap_of_live_keys_holds_when_two_ask_at_once() -> None:
    alice = make_person("alice")
    for _ in range(api_keys.LIVE_KEYS_MAX - 1):
        customer_key(alice)

    outcomes = at_once(lambda: customer_key(alice), lambda: customer_key(alice))

    assert len(successes(outcomes)) == 1
    assert [type(error) for error in failures(outcomes)] == [TooManyKeys]
    assert ApiKey.objects.count() == api_keys.LIVE_KEYS_MAX


def test_the_command_line_issues_a_platform_key_with_an_audit_row() -> None:
    oscar = make_operator()
    out, err = StringIO(), StringIO()

    call_command("issue_platform_key", name="gateway", operator="Oscar@example.com", reason="New region.", stdout=out, stderr=err)

    key = ApiKey.objects.get()
    secret = out.getvalue().strip()
    assert key.is_platform
    assert key.secret_hash == ids.secret_digest(secret)
    assert secret not in err.getvalue()
    row = AuditRecord.objects.get()
    assert (row.act, row.actor_id, row.object_id, row.reason) == ("issue_platform_key", oscar.pk, key.public_id, "New region.")
    assert secret not in str(row.after)


def test_the_command_line_wants_a_real_operator() -> None:
    with pytest.raises(CommandError, match="no active operator"):
        call_command("issue_platform_key", name="gateway", operator="nobody@example.com")

    assert not ApiKey.objects.exists()


def test_a_revoked_platform_key_leaves_an_audit_row_once(api: Api, alice: Person) -> None:
    issued = platform_key()
    oscar = make_operator("second@example.com")

    for _ in range(2):
        api_keys.revoke_platform_key(key_id=issued.key.pk, actor_id=oscar.pk, reason="Leaked.", now=clock.now())

    assert AuditRecord.objects.filter(act="revoke_platform_key").count() == 1
    assert api.get(f"/v1/account?account={alice.account.public_id}", issued).status_code == 401


def test_the_audit_trail_refuses_change_also_from_raw_sql() -> None:
    platform_key()
    for act in (lambda: AuditRecord.objects.update(reason="x"), lambda: AuditRecord.objects.all().delete()):
        with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
            act()
    assert AuditRecord.objects.get().reason == "Tests."
