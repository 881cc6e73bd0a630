"""An account's facts: name, zone, low-balance level, freeze, and its end."""

from datetime import UTC, datetime

import pytest
from pytest_django import DjangoAssertNumQueries

from accounts.errors import LastOwner
from accounts.models import Account, ApiKey, Invite, Membership, User
from accounts.models.membership import Role
from accounts.selectors import find_key_refs, get_account, owner_of, zone_at
from accounts.services.account import AccountChanges, change_account, close_account, set_frozen, set_price_tier
from core import clock
from core.errors import InvalidInput, NotFound
from core.models import AuditRecord
from credits.services.wallets import find_accounts_with_wallets
from tests.actors import PASSWORD, Cast, Person, customer_key, join, make_person, platform_key
from tests.conftest import Api
from tests.threads import at_once, failures

pytestmark = pytest.mark.django_db

NOON_IN_BERLIN = datetime(2026, 7, 1, 10, tzinfo=UTC)
BERLINS_MIDNIGHT = datetime(2026, 7, 1, 22, tzinfo=UTC)


def change(account: Account, now: datetime = NOON_IN_BERLIN, **changes: str | int | bool) -> Account:
    return change_account(account_id=account.pk, changes=AccountChanges(**changes), now=now)  # type: ignore[arg-type]


def test_the_account_is_shown_to_its_members_and_keys(api: Api, cast: Cast) -> None:
    shown = api.get("/v1/account", cast.alice).json()

    assert shown["id"] == cast.alice.account.public_id
    assert (shown["name"], shown["zone"], shown["next_zone"], shown["low_balance"]) == ("Alice's", "UTC", None, None)
    assert api.get("/v1/account", cast.bob, x_account=cast.alice.account.public_id).json() == shown
    assert api.get("/v1/account", customer_key(cast.alice)).json() == shown
    assert api.get(f"/v1/account?account={cast.alice.account.public_id}", platform_key()).json() == shown


def test_facts_are_changed_one_by_one(api: Api, alice: Person) -> None:
    api.patch("/v1/account", {"low_balance": "12.5"}, alice)
    answer = api.patch("/v1/account", {"name": "Ada", "email": "bills@example.com"}, alice)

    assert (answer.status_code, answer.json()["name"], answer.json()["low_balance"]) == (200, "Ada", "12.50")
    assert Account.objects.get(pk=alice.account.pk).low_balance_nanos == 12_500_000_000
    assert api.patch("/v1/account", {"low_balance": None}, alice).json()["low_balance"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"zone": "Mars/Base"}, "zone"),
        ({"zone": "../../etc/passwd"}, "zone"),
        ({"low_balance": "-1"}, "low_balance"),
        ({"low_balance": "1e3"}, "low_balance"),
        ({"low_balance": "NaN"}, "low_balance"),
        ({"email": "nobody"}, "email"),
        ({"name": "x" * 121}, "name"),
        ({"colour": "red"}, ""),
        ([], ""),
    ],
)
def test_bad_facts_are_refused_and_nothing_changes(api: Api, alice: Person, body: object, field: str) -> None:
    before = Account.objects.filter(pk=alice.account.pk).values().get()

    answer = api.patch("/v1/account", body, alice)

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == [field]
    assert Account.objects.filter(pk=alice.account.pk).values().get() == before


def test_a_viewer_changes_nothing(api: Api, cast: Cast) -> None:
    answer = api.patch("/v1/account", {"name": "Bob's"}, cast.bob, x_account=cast.alice.account.public_id)

    assert (answer.status_code, answer.json()["code"]) == (403, "role_too_low")
    assert Account.objects.get(pk=cast.alice.account.pk).name == "Alice's"


def test_a_key_changes_the_account_by_its_scope_only(api: Api, alice: Person) -> None:
    reader, writer = customer_key(alice, ["billing:read"]), customer_key(alice, ["billing:write"])

    refused = api.patch("/v1/account", {"name": "X"}, reader)

    assert (refused.status_code, refused.json()["code"], refused.json()["scope"]) == (403, "missing_scope", "billing:write")
    assert Account.objects.get(pk=alice.account.pk).name == "Alice's"
    assert api.patch("/v1/account", {"name": "Y"}, writer).status_code == 200
    assert api.get("/v1/account", writer).status_code == 403


def test_a_zone_acts_from_the_next_local_midnight(alice: Person) -> None:
    first = change(alice.account, zone="Europe/Berlin", now=datetime(2026, 6, 1, 12, tzinfo=UTC))
    assert (first.zone, first.next_zone, first.next_zone_at) == ("UTC", "Europe/Berlin", datetime(2026, 6, 2, tzinfo=UTC))

    second = change(alice.account, zone="Asia/Tokyo")

    assert (second.zone, second.next_zone, second.next_zone_at) == ("Europe/Berlin", "Asia/Tokyo", BERLINS_MIDNIGHT)
    assert zone_at(second, BERLINS_MIDNIGHT.replace(minute=0, second=0, hour=21)) == "Europe/Berlin"
    assert zone_at(second, BERLINS_MIDNIGHT) == "Asia/Tokyo"


def test_the_zone_in_force_takes_an_announcement_back(alice: Person) -> None:
    change(alice.account, zone="Asia/Tokyo")

    account = change(alice.account, zone="UTC")

    assert (account.zone, account.next_zone, account.next_zone_at) == ("UTC", "", None)


def test_an_announced_zone_stands_beside_the_one_in_force(api: Api, alice: Person) -> None:
    shown = api.patch("/v1/account", {"zone": "Asia/Tokyo"}, alice).json()

    assert (shown["zone"], shown["next_zone"]) == ("UTC", "Asia/Tokyo")
    assert shown["next_zone_at"].endswith("T00:00:00Z")
    Account.objects.filter(pk=alice.account.pk).update(next_zone_at=clock.now())
    shown = api.get("/v1/account", alice).json()
    assert (shown["zone"], shown["next_zone"], shown["next_zone_at"]) == ("Asia/Tokyo", None, None)


def test_a_level_is_not_negative(alice: Person) -> None:
    with pytest.raises(InvalidInput):
        change(alice.account, low_balance_nanos=-1)


def test_freezing_leaves_one_audit_row(cast: Cast) -> None:
    for _ in range(2):
        set_frozen(account_id=cast.alice.account.pk, is_frozen=True, actor_id=cast.oscar.pk, reason="Dispute.", now=clock.now())

    assert Account.objects.get(pk=cast.alice.account.pk).is_frozen
    row = AuditRecord.objects.get()
    assert (row.act, row.before, row.after, row.account_id) == (
        "freeze_account",
        {"is_frozen": False},
        {"is_frozen": True},
        cast.alice.account.pk,
    )


def put_into(account: Account, tier: str) -> None:
    set_price_tier(account_id=account.pk, tier=tier, actor_id=1, reason="Agreed.", now=clock.now())


def test_a_price_tier_is_set_and_taken_away_each_with_one_audit_row(alice: Person) -> None:
    for tier in ("gold", "gold", ""):
        put_into(alice.account, tier)
        assert Account.objects.get(pk=alice.account.pk).price_tier == tier
    told = [(row.act, row.before, row.after, row.account_id, row.reason) for row in AuditRecord.objects.order_by("pk")]
    assert told == [
        ("set_price_tier", {"price_tier": ""}, {"price_tier": "gold"}, alice.account.pk, "Agreed."),
        ("set_price_tier", {"price_tier": "gold"}, {"price_tier": ""}, alice.account.pk, "Agreed."),
    ]


@pytest.mark.parametrize("tier", ["x" * 33, "a\nb", " gold", "a\0"])
def test_a_tier_that_no_multiplier_could_name_is_refused(alice: Person, tier: str) -> None:
    with pytest.raises(InvalidInput):
        put_into(alice.account, tier)
    assert (Account.objects.get(pk=alice.account.pk).price_tier, AuditRecord.objects.count()) == ("", 0)


def test_a_closed_account_gets_no_tier(alice: Person) -> None:
    close_account(account_id=alice.account.pk, actor_id=1, reason="Left.", now=clock.now())
    with pytest.raises(NotFound):
        put_into(alice.account, "gold")


def test_closing_removes_the_person_and_keeps_the_row(api: Api, cast: Cast) -> None:
    issued = customer_key(cast.alice)
    assert api.get("/v1/account", issued).status_code == 200
    api.post("/v1/members", {"email": "guest@example.com"}, cast.alice)

    answer = api.post("/v1/account/close", {"password": PASSWORD}, cast.alice)

    account, user = Account.objects.get(pk=cast.alice.account.pk), User.objects.get(pk=cast.alice.user.pk)
    assert answer.status_code == 204
    assert (account.name, account.email, account.is_closed) == ("", "", True)
    assert (user.email, user.is_active, user.has_usable_password()) == (f"closed-{user.pk}@closed.invalid", False, False)
    assert not Membership.objects.filter(account=account).exists()
    assert not Invite.objects.exists()
    assert (ApiKey.objects.get().revoked_at is not None, ApiKey.objects.get().name) == (True, "")
    assert "alice" not in str(user)
    assert [api.get("/v1/account", by).status_code for by in (cast.alice, issued)] == [401, 401]
    assert api.get("/v1/account", cast.bob, x_account=account.public_id).status_code == 404
    assert api.post("/auth/token/refresh", {"refresh": cast.alice.refresh}).status_code == 401
    assert "alice" not in str(AuditRecord.objects.values()).lower()


def test_another_owner_cannot_close_a_persons_own_account(api: Api, cast: Cast) -> None:
    Membership.objects.filter(account=cast.alice.account, user=cast.bob.user).update(role=Role.OWNER)

    answer = api.post("/v1/account/close", {"password": PASSWORD}, cast.bob, x_account=cast.alice.account.public_id)

    assert (answer.status_code, answer.json()["code"]) == (409, "personal_account")
    assert not Account.objects.exclude(closed_at=None).exists()
    assert api.get("/v1/account", cast.alice).status_code == 200


def test_the_address_of_a_closed_account_may_register_again(api: Api, alice: Person) -> None:
    api.post("/v1/account/close", {"password": PASSWORD}, alice)

    assert make_person("alice").user.pk != alice.user.pk


def test_closing_asks_for_the_password_and_for_an_owner(api: Api, cast: Cast) -> None:
    wrong = api.post("/v1/account/close", {"password": "not it"}, cast.alice)
    viewer = api.post("/v1/account/close", {"password": PASSWORD}, cast.bob, x_account=cast.alice.account.public_id)
    key = api.post("/v1/account/close", {"password": PASSWORD}, customer_key(cast.alice))

    assert [(answer.status_code, answer.json()["code"]) for answer in (wrong, viewer, key)] == [
        (401, "invalid_credentials"),
        (403, "role_too_low"),
        (403, "person_required"),
    ]
    assert not Account.objects.exclude(closed_at=None).exists()


def test_the_only_owner_of_another_account_cannot_go(api: Api, cast: Cast) -> None:
    team = Account.objects.create(name="Team", created_at=clock.now())
    join(cast.alice, team, Role.OWNER)

    refused = api.post("/v1/account/close", {"password": PASSWORD}, cast.alice)
    assert (refused.status_code, refused.json()["code"], refused.json()["account"]) == (409, "last_owner", team.public_id)
    assert User.objects.get(pk=cast.alice.user.pk).is_active

    join(cast.charlie, team, Role.OWNER)
    assert api.post("/v1/account/close", {"password": PASSWORD}, cast.alice).status_code == 204


def test_closing_twice_changes_nothing_more(cast: Cast) -> None:
    closed = [
        close_account(account_id=cast.alice.account.pk, actor_id=cast.oscar.pk, reason="Asked.", now=clock.now()).closed_at
        for _ in range(2)
    ]

    assert closed[0] == closed[1]
    assert AuditRecord.objects.filter(act="close_account").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_people_who_own_a_team_cannot_both_go_at_once() -> None:
    alice, bob = make_person("alice"), make_person("bob")
    team = Account.objects.create(name="Team", created_at=clock.now())
    join(alice, team, Role.OWNER)
    join(bob, team, Role.OWNER)

    def close(person: Person) -> Account:
        return close_account(account_id=person.account.pk, actor_id=person.user.pk, reason="", now=clock.now())

    outcomes = at_once(lambda: close(alice), lambda: close(bob))

    assert [type(error) for error in failures(outcomes)] == [LastOwner]
    assert Membership.objects.filter(account=team).count() == 1


def test_refs_come_in_one_query_each(cast: Cast, django_assert_num_queries: DjangoAssertNumQueries) -> None:
    key, closed = customer_key(cast.alice).key, cast.charlie.account
    close_account(account_id=closed.pk, actor_id=cast.oscar.pk, reason="", now=clock.now())
    ids = [cast.alice.account.public_id, closed.public_id, "f" * 32, "not an id"]

    find_accounts_with_wallets(ids, now=clock.now())
    with django_assert_num_queries(1):
        accounts = find_accounts_with_wallets(ids, now=clock.now())
    with django_assert_num_queries(1):
        keys = find_key_refs([key.public_id, "f" * 32])

    assert {public_id: ref.closed for public_id, ref in accounts.items()} == {ids[0]: False, ids[1]: True}
    assert keys[key.public_id].account_id == cast.alice.account.pk


def test_a_platform_key_has_no_ref() -> None:
    assert find_key_refs([platform_key().key.public_id]) == {}


def test_the_owner_is_the_person_the_account_came_with(cast: Cast) -> None:
    account = cast.alice.account
    Membership.objects.filter(account=account).delete()
    join(cast.charlie, account, Role.OWNER)
    assert owner_of(account.pk) == cast.charlie.user
    join(cast.alice, account, Role.OWNER)
    assert owner_of(account.pk) == cast.alice.user


@pytest.mark.parametrize("public_id", ["", "f" * 32, "F" * 32, "\x00" * 32, "x" * 5000])
def test_an_id_that_is_not_one_is_not_found(public_id: str) -> None:
    with pytest.raises(NotFound):
        get_account(public_id)
