"""Invites, roles, leaving; an account always keeps an owner."""

import re

import pytest
from django.core.mail import EmailMessage
from pytest_django import DjangoCaptureOnCommitCallbacks

from accounts.errors import InvalidToken, LastOwner
from accounts.models import Account, Invite, Membership
from accounts.models.membership import Role
from accounts.services import membership
from core import clock
from core.ids import secret_digest
from tests.actors import Cast, Person, customer_key, join, make_person
from tests.conftest import Api
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db


def invited(api: Api, by: Person, email: str, role: str, *, commit: DjangoCaptureOnCommitCallbacks, outbox: list[EmailMessage]) -> str:
    """The secret that an invite mails."""
    with commit(execute=True):
        assert api.post("/v1/members", {"email": email, "role": role}, by).status_code in {200, 201}
    found = re.search(r"inv_\S+", str(outbox[-1].body))
    assert found is not None
    return found[0]


def team(*people: Person) -> Account:
    """An account that is nobody's personal one, with these owners."""
    account = Account.objects.create(name="Team", created_at=clock.now())
    for person in people:
        join(person, account, Role.OWNER)
    return account


def test_an_invite_is_mailed_and_taken_once(
    api: Api, cast: Cast, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    secret = invited(api, cast.alice, "charlie@example.com", "admin", commit=django_capture_on_commit_callbacks, outbox=mailoutbox)

    first = api.post("/v1/members/accept", {"token": secret}, cast.charlie)
    second = api.post("/v1/members/accept", {"token": secret}, cast.charlie)

    assert mailoutbox[-1].to == ["charlie@example.com"]
    assert (first.status_code, first.json()["role"]) == (200, "admin")
    assert (second.status_code, second.json()["code"]) == (400, "invalid_token")
    assert Membership.objects.get(user=cast.charlie.user, account=cast.alice.account).role == "admin"


def test_inviting_again_renews_the_invite_and_only_the_last_mail_works(
    api: Api, cast: Cast, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    old = invited(api, cast.alice, "charlie@example.com", "viewer", commit=django_capture_on_commit_callbacks, outbox=mailoutbox)
    new = invited(api, cast.alice, "Charlie@Example.com", "admin", commit=django_capture_on_commit_callbacks, outbox=mailoutbox)

    assert Invite.objects.get().role == "admin"
    assert api.post("/v1/members/accept", {"token": old}, cast.charlie).status_code == 400
    assert api.post("/v1/members/accept", {"token": new}, cast.charlie).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_an_invite_taken_twice_at_once_makes_one_member(mailoutbox: list[EmailMessage]) -> None:
    alice, bob, charlie = (make_person(name) for name in ("alice", "bob", "charlie"))
    membership.invite(account_id=alice.account.pk, email="x@example.com", role=Role.VIEWER, actor_id=alice.user.pk, now=clock.now())
    found = re.search(r"inv_\S+", str(mailoutbox[-1].body))
    assert found is not None

    def take(user_id: int) -> Membership:
        return membership.accept_invite(secret=found[0], user_id=user_id, now=clock.now())

    outcomes = at_once(lambda: take(bob.user.pk), lambda: take(charlie.user.pk))

    assert len(successes(outcomes)) == 1
    assert [type(error) for error in failures(outcomes)] == [InvalidToken]
    assert Membership.objects.filter(account=alice.account).count() == 2


@pytest.mark.django_db(transaction=True)
def test_the_same_address_invited_twice_at_once_has_one_invite() -> None:
    alice = make_person("alice")

    def ask() -> membership.Invitation:
        return membership.invite(
            account_id=alice.account.pk, email="x@example.com", role=Role.VIEWER, actor_id=alice.user.pk, now=clock.now()
        )

    outcomes = at_once(ask, ask, ask)

    assert not failures(outcomes)
    assert sorted(made.is_new for made in successes(outcomes)) == [False, False, True]
    assert Invite.objects.count() == 1


def test_an_invite_that_is_too_old_or_withdrawn_is_refused(
    api: Api, cast: Cast, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    secret = invited(api, cast.alice, "charlie@example.com", "viewer", commit=django_capture_on_commit_callbacks, outbox=mailoutbox)
    Invite.objects.update(expires_at=clock.now())
    old = api.post("/v1/members/accept", {"token": secret}, cast.charlie)
    secret = invited(api, cast.alice, "charlie@example.com", "viewer", commit=django_capture_on_commit_callbacks, outbox=mailoutbox)
    invite_id = api.get("/v1/members", cast.alice).json()["invites"][0]["id"]
    withdrawn = api.delete(f"/v1/members/{invite_id}", cast.alice)
    gone = api.post("/v1/members/accept", {"token": secret}, cast.charlie)

    assert [answer.status_code for answer in (old, withdrawn, gone)] == [400, 204, 400]
    assert not Membership.objects.filter(user=cast.charlie.user, account=cast.alice.account).exists()


def test_a_member_is_not_invited_again(api: Api, cast: Cast) -> None:
    answer = api.post("/v1/members", {"email": "bob@example.com"}, cast.alice)

    assert (answer.status_code, answer.json()["code"]) == (409, "already_member")
    assert not Invite.objects.exists()


def test_a_higher_role_survives_an_invite_to_a_lower_one(cast: Cast) -> None:
    account = team(cast.alice, cast.charlie)
    Invite.objects.create(
        account=account,
        email="c@example.com",
        role=Role.VIEWER,
        secret_hash=secret_digest("inv_known"),
        invited_by=cast.alice.user,
        expires_at=clock.now() + membership.INVITE_LIFETIME,
    )

    member = membership.accept_invite(secret="inv_known", user_id=cast.charlie.user.pk, now=clock.now())

    assert member.role == "owner"
    assert Membership.objects.filter(account=account).count() == 2


def test_members_are_listed_to_every_member(api: Api, cast: Cast) -> None:
    answer = api.get("/v1/members", cast.bob, x_account=cast.alice.account.public_id).json()

    assert [(member["email"], member["role"]) for member in answer["items"]] == [
        ("alice@example.com", "owner"),
        ("bob@example.com", "viewer"),
    ]


def test_an_owner_changes_roles_and_removes_members(api: Api, cast: Cast) -> None:
    bob = Membership.objects.get(user=cast.bob.user, account=cast.alice.account)

    changed = api.patch(f"/v1/members/{bob.public_id}", {"role": "admin"}, cast.alice)
    removed = api.delete(f"/v1/members/{bob.public_id}", cast.alice)
    again = api.delete(f"/v1/members/{bob.public_id}", cast.alice)

    assert (changed.status_code, changed.json()["role"]) == (200, "admin")
    assert (removed.status_code, again.status_code) == (204, 404)
    assert api.get("/v1/members", cast.bob, x_account=cast.alice.account.public_id).status_code == 404


def test_an_admin_touches_no_owner_and_makes_none(api: Api, cast: Cast) -> None:
    account = cast.alice.account
    bob = Membership.objects.get(user=cast.bob.user, account=account)
    Membership.objects.filter(pk=bob.pk).update(role=Role.ADMIN)
    alice = Membership.objects.get(user=cast.alice.user, account=account)

    refusals = [
        api.patch(f"/v1/members/{bob.public_id}", {"role": "owner"}, cast.bob, x_account=account.public_id),
        api.patch(f"/v1/members/{alice.public_id}", {"role": "viewer"}, cast.bob, x_account=account.public_id),
        api.delete(f"/v1/members/{alice.public_id}", cast.bob, x_account=account.public_id),
        api.post("/v1/members", {"email": "x@example.com", "role": "owner"}, cast.bob, x_account=account.public_id),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in refusals] == [(403, "role_too_low")] * 4
    assert sorted(Membership.objects.filter(account=account).values_list("role", flat=True)) == ["admin", "owner"]
    assert not Invite.objects.exists()


def test_a_viewer_may_leave_but_manage_nobody(api: Api, cast: Cast) -> None:
    account = cast.alice.account.public_id
    bob = Membership.objects.get(user=cast.bob.user, account=cast.alice.account)

    assert api.post("/v1/members", {"email": "x@example.com"}, cast.bob, x_account=account).status_code == 403
    assert api.delete(f"/v1/members/{bob.public_id}", cast.bob, x_account=account).status_code == 204


def test_the_person_of_a_personal_account_stays_its_owner(api: Api, cast: Cast) -> None:
    alice = Membership.objects.get(user=cast.alice.user, account=cast.alice.account)

    demoted = api.patch(f"/v1/members/{alice.public_id}", {"role": "viewer"}, cast.alice)
    left = api.delete(f"/v1/members/{alice.public_id}", cast.alice)

    assert [(answer.status_code, answer.json()["code"]) for answer in (demoted, left)] == [(409, "personal_account")] * 2
    assert Membership.objects.get(pk=alice.pk).role == "owner"


def test_the_last_owner_stays(api: Api, cast: Cast) -> None:
    account = team(cast.alice)
    member = Membership.objects.get(account=account)

    demoted = api.patch(f"/v1/members/{member.public_id}", {"role": "viewer"}, cast.alice, x_account=account.public_id)
    left = api.delete(f"/v1/members/{member.public_id}", cast.alice, x_account=account.public_id)

    assert [(answer.status_code, answer.json()["code"]) for answer in (demoted, left)] == [(409, "last_owner")] * 2
    assert Membership.objects.get(account=account).role == "owner"


@pytest.mark.django_db(transaction=True)
def test_of_two_owners_who_leave_at_once_one_stays() -> None:
    alice, bob = make_person("alice"), make_person("bob")
    account = team(alice, bob)
    members = {member.user_id: member.pk for member in Membership.objects.filter(account=account)}

    def leave(person: Person) -> None:
        membership.remove_member(account_id=account.pk, member_id=members[person.user.pk], actor_id=person.user.pk)

    outcomes = at_once(lambda: leave(alice), lambda: leave(bob))

    assert [type(error) for error in failures(outcomes)] == [LastOwner]
    assert Membership.objects.filter(account=account).count() == 1


def test_keys_do_not_manage_people(api: Api, cast: Cast) -> None:
    key = customer_key(cast.alice)

    answers = [
        api.get("/v1/members", key),
        api.post("/v1/members", {"email": "x@example.com"}, key),
        api.post("/v1/members/accept", {"token": "inv_x"}, key),
        api.get("/auth/me", key),
    ]

    assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(403, "person_required")] * 4
