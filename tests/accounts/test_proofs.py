"""Mailed tokens: proving an address, setting a new password."""

import re

import pytest
from django.core.mail import EmailMessage
from pytest_django import DjangoCaptureOnCommitCallbacks, Settings

from accounts.errors import InvalidToken
from accounts.models import Membership, User
from accounts.models.membership import Role
from accounts.services.proofs import PASSWORD_PROOF, make_proof, set_new_password
from accounts.services.registration import register
from core import clock
from tests.actors import PASSWORD, customer_key, join, make_person
from tests.conftest import Api
from tests.threads import at_once, failures

pytestmark = pytest.mark.django_db

NEW_PASSWORD = "an entirely different one"


def mailed_token(mail: EmailMessage) -> str:
    found = re.search(r"^(\S{20,})$", str(mail.body), re.MULTILINE)
    assert found is not None, mail.body
    return found[1]


def test_registering_mails_a_token_that_proves_the_address_once(
    api: Api, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        register(email="alice@example.com", password=PASSWORD, now=clock.now())
    token = mailed_token(mailoutbox[0])

    first = api.post("/auth/verify-email", {"token": token})
    second = api.post("/auth/verify-email", {"token": token})

    assert mailoutbox[0].to == ["alice@example.com"]
    assert (first.status_code, first.json()) == (200, {})
    assert (second.status_code, second.json()["code"]) == (400, "invalid_token")
    assert User.objects.get().email_verified_at is not None


@pytest.mark.parametrize("path", ["/auth/verify-email", "/auth/password/reset"])
def test_asking_for_mail_never_tells_whether_an_address_exists(
    api: Api, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks, path: str
) -> None:
    make_person("alice")

    with django_capture_on_commit_callbacks(execute=True):
        known = api.post(path, {"email": "Alice@example.com"})
        unknown = api.post(path, {"email": "nobody@example.com"})

    assert known.status_code == unknown.status_code == 202
    assert known.content == unknown.content == b"{}"
    assert [mail.to for mail in mailoutbox] == [["alice@example.com"]]


def test_a_new_password_ends_every_login_made_before(
    api: Api, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    alice = make_person("alice")
    with django_capture_on_commit_callbacks(execute=True):
        api.post("/auth/password/reset", {"email": "alice@example.com"})
    token = mailed_token(mailoutbox[0])

    answer = api.post("/auth/password/confirm", {"token": token, "password": NEW_PASSWORD})

    assert answer.status_code == 204
    assert api.get("/auth/me", alice).status_code == 401
    assert api.post("/auth/token/refresh", {"refresh": alice.refresh}).status_code == 401
    assert api.post("/auth/token", {"email": "alice@example.com", "password": PASSWORD}).status_code == 401
    assert api.post("/auth/token", {"email": "alice@example.com", "password": NEW_PASSWORD}).status_code == 200


def test_a_reset_token_works_once(api: Api) -> None:
    alice = make_person("alice")
    token = make_proof(PASSWORD_PROOF, alice.user)

    statuses = [
        api.post("/auth/password/confirm", {"token": token, "password": password}).status_code
        for password in (NEW_PASSWORD, "and another different one")
    ]

    assert statuses == [204, 400]
    assert User.objects.get().check_password(NEW_PASSWORD)


@pytest.mark.django_db(transaction=True)
def test_of_two_uses_of_a_reset_token_at_once_exactly_one_wins() -> None:
    token = make_proof(PASSWORD_PROOF, make_person("alice").user)

    def use(password: str) -> None:
        set_new_password(token=token, password=password, now=clock.now())

    outcomes = at_once(lambda: use("first different one"), lambda: use("second different one"))

    assert [type(error) for error in failures(outcomes)] == [InvalidToken]


def test_a_weak_new_password_is_refused_and_spends_nothing(api: Api) -> None:
    token = make_proof(PASSWORD_PROOF, make_person("alice").user)

    weak = api.post("/auth/password/confirm", {"token": token, "password": "12345678"})

    assert (weak.status_code, weak.json()["code"]) == (400, "weak_password")
    assert User.objects.get().check_password(PASSWORD)
    assert api.post("/auth/password/confirm", {"token": token, "password": NEW_PASSWORD}).status_code == 204


def test_a_token_that_is_too_old_is_refused(api: Api, settings: Settings) -> None:
    token = make_proof(PASSWORD_PROOF, make_person("alice").user)
    settings.PASSWORD_RESET_TIMEOUT = -1

    answer = api.post("/auth/password/confirm", {"token": token, "password": NEW_PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")
    assert User.objects.get().check_password(PASSWORD)


@pytest.mark.parametrize("token", ["x", "1.abc-def", "zzzzzzzzzzzzz.a-b", "-1.a-b", "!!.a-b", f"{'z' * 200}.a"])
def test_a_token_that_is_not_ours_is_refused(api: Api, token: str) -> None:
    answer = api.post("/auth/verify-email", {"token": token})

    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_token")


def test_a_token_for_one_purpose_does_not_serve_the_other(api: Api) -> None:
    token = make_proof(PASSWORD_PROOF, make_person("alice").user)

    assert api.post("/auth/verify-email", {"token": token}).status_code == 400
    assert User.objects.get().email_verified_at is None


def test_verifying_takes_the_token_or_the_address_never_both(api: Api) -> None:
    both = api.post("/auth/verify-email", {"token": "x", "email": "a@example.com"})
    neither = api.post("/auth/verify-email", {})

    assert [answer.status_code for answer in (both, neither)] == [400, 400]
    assert both.json()["errors"][0]["code"] == "one_of"


def test_a_deployment_with_pages_mails_links(
    settings: Settings, mailoutbox: list[EmailMessage], django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks
) -> None:
    settings.MAIL_PAGES = {"verify_email": "https://app.example.com/verify?token={token}"}

    with django_capture_on_commit_callbacks(execute=True):
        register(email="alice@example.com", password=PASSWORD, now=clock.now())

    assert re.search(r"https://app\.example\.com/verify\?token=\S+\n", str(mailoutbox[0].body))


def test_who_registered_somebody_elses_address_keeps_nothing_after_the_reset(api: Api) -> None:
    victim, friend = make_person("alice"), make_person("bob")
    join(friend, victim.account, Role.OWNER)
    key = customer_key(victim)
    token = make_proof(PASSWORD_PROOF, victim.user)

    assert api.post("/auth/password/confirm", {"token": token, "password": "a new long passphrase"}).status_code == 204

    assert api.get("/v1/account", key).status_code == 401
    assert api.get("/v1/account", friend, x_account=victim.account.public_id).status_code == 404
    assert Membership.objects.filter(account=victim.account).count() == 1


def test_a_reset_of_a_proven_address_leaves_keys_and_members_alone(api: Api) -> None:
    owner, friend = make_person("alice"), make_person("bob")
    User.objects.filter(pk=owner.user.pk).update(email_verified_at=clock.now())
    join(friend, owner.account, Role.OWNER)
    key = customer_key(owner)
    token = make_proof(PASSWORD_PROOF, User.objects.get(pk=owner.user.pk))

    assert api.post("/auth/password/confirm", {"token": token, "password": "a new long passphrase"}).status_code == 204

    assert api.get("/v1/account", key).status_code == 200
    assert api.get("/v1/account", friend, x_account=owner.account.public_id).status_code == 200
