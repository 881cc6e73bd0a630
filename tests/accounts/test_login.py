"""Registering, logging in and out, refreshing."""

import pytest
from rest_framework_simplejwt.token_blacklist.models import BlacklistedToken, OutstandingToken

from accounts.errors import EmailTaken, RefreshRefused
from accounts.models import Account, Membership, User
from accounts.services.registration import register
from accounts.services.tokens import rotate_tokens
from core import clock
from tests.actors import PASSWORD, Person, make_person
from tests.conftest import Api
from tests.threads import at_once, failures, successes

pytestmark = pytest.mark.django_db


def test_registering_makes_a_person_with_an_account_and_logs_in(api: Api) -> None:
    answer = api.post("/auth/register", {"email": " New@Example.COM ", "password": PASSWORD, "name": "New"})

    assert answer.status_code == 201
    body = answer.json()
    user = User.objects.get(email="new@example.com")
    account = Account.objects.get(personal_of=user)
    assert body["user"]["id"] == user.pk
    assert body["user"]["email_verified"] is False
    assert body["account"] == {"id": account.public_id, "name": "New", "is_personal": True}
    assert account.email == "new@example.com"
    assert Membership.objects.get(user=user, account=account).role == "owner"
    assert api.get("/auth/me", body["access"]).json()["accounts"] == [body["account"] | {"role": "owner"}]


def test_an_address_registers_once_whatever_its_case(api: Api) -> None:
    make_person("alice")

    answer = api.post("/auth/register", {"email": "ALICE@example.com", "password": PASSWORD})

    assert (answer.status_code, answer.json()["code"]) == (409, "email_taken")
    assert (User.objects.count(), Account.objects.count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_of_two_registrations_at_once_exactly_one_wins() -> None:
    outcomes = at_once(*[lambda: register(email="twin@example.com", password=PASSWORD, now=clock.now())] * 4)

    assert len(successes(outcomes)) == 1
    assert [type(error) for error in failures(outcomes)] == [EmailTaken] * 3
    assert (User.objects.count(), Account.objects.count(), Membership.objects.count()) == (1, 1, 1)


@pytest.mark.parametrize("password", ["short", "password123", "12345678901", "strange@example.com"])
def test_a_weak_password_is_refused_and_nothing_is_made(api: Api, password: str) -> None:
    answer = api.post("/auth/register", {"email": "strange@example.com", "password": password})

    assert (answer.status_code, answer.json()["code"]) == (400, "weak_password")
    assert answer.json()["errors"][0]["field"] == "password"
    assert not User.objects.exists()


def test_bad_input_names_every_bad_field(api: Api) -> None:
    answer = api.post("/auth/register", {"email": "nobody", "zone": "Mars/Base"})

    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["email", "password", "zone"]
    assert answer.json()["errors"][2]["code"] == "unknown_zone"


def test_logging_in_answers_a_pair_and_notes_the_login(api: Api) -> None:
    alice = make_person("alice")

    answer = api.post("/auth/token", {"email": "Alice@Example.com", "password": PASSWORD})

    assert answer.status_code == 200
    assert set(answer.json()) == {"access", "refresh"}
    assert answer["Cache-Control"] == "no-store"
    assert User.objects.get(pk=alice.user.pk).last_login is not None


def test_a_wrong_password_and_an_unknown_address_get_the_same_answer(api: Api) -> None:
    make_person("alice")

    wrong = api.post("/auth/token", {"email": "alice@example.com", "password": "not it at all"}, x_request_id="same-same")
    unknown = api.post("/auth/token", {"email": "nobody@example.com", "password": "not it at all"}, x_request_id="same-same")

    assert wrong.status_code == unknown.status_code == 401
    assert wrong.json() == unknown.json()
    assert wrong.json()["code"] == "invalid_credentials"
    assert not User.objects.exclude(last_login=None).exists()


def test_refreshing_gives_a_new_pair_and_spends_the_old_one(api: Api) -> None:
    alice = make_person("alice")

    first = api.post("/auth/token/refresh", {"refresh": alice.refresh})
    again = api.post("/auth/token/refresh", {"refresh": alice.refresh})
    next_one = api.post("/auth/token/refresh", {"refresh": first.json()["refresh"]})

    assert [first.status_code, again.status_code, next_one.status_code] == [200, 401, 200]
    assert again.json()["code"] == "invalid_refresh_token"
    assert api.get("/auth/me", next_one.json()["access"]).status_code == 200


@pytest.mark.django_db(transaction=True)
def test_of_two_refreshes_at_once_exactly_one_wins() -> None:
    alice = make_person("alice")

    outcomes = at_once(*[lambda: rotate_tokens(refresh=alice.refresh, now=clock.now())] * 4)

    assert len(successes(outcomes)) == 1
    assert [type(error) for error in failures(outcomes)] == [RefreshRefused] * 3
    assert OutstandingToken.objects.count() == 2
    assert BlacklistedToken.objects.count() == 1


@pytest.mark.parametrize("kind", ["access", "forged", "garbage"])
def test_only_our_refresh_tokens_are_refreshed(api: Api, kind: str) -> None:
    alice = make_person("alice")
    token = {"access": alice.token, "forged": alice.refresh[:-3] + "abc", "garbage": "not.a.token"}[kind]

    answer = api.post("/auth/token/refresh", {"refresh": token})

    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
    assert not BlacklistedToken.objects.exists()


def test_logging_out_ends_the_refresh_token_and_twice_is_fine(api: Api) -> None:
    alice = make_person("alice")

    statuses = [api.post("/auth/logout", {"refresh": alice.refresh}).status_code for _ in range(2)]

    assert statuses == [204, 204]
    assert api.post("/auth/token/refresh", {"refresh": alice.refresh}).status_code == 401


def test_no_refresh_token_is_kept_in_the_database() -> None:
    make_person("alice")

    assert OutstandingToken.objects.get().token == ""


def test_an_inactive_person_is_refused_at_once(api: Api) -> None:
    alice = make_person("alice")
    User.objects.filter(pk=alice.user.pk).update(is_active=False)

    assert api.get("/auth/me", alice).status_code == 401
    assert api.post("/auth/token", {"email": "alice@example.com", "password": PASSWORD}).status_code == 401
    assert api.post("/auth/token/refresh", {"refresh": alice.refresh}).status_code == 401


@pytest.mark.parametrize("header", ["Basic YTpi", "Bearer", "Bearer sk_unknown", "Bearer \xff\xfe", "sk_without_scheme"])
def test_a_bad_credential_is_a_401_that_says_how(api: Api, header: str) -> None:
    answer = api.get("/auth/me", authorization=header)

    assert answer.status_code == 401
    assert answer["WWW-Authenticate"] == "Bearer"
    assert answer.json()["code"] == "not_authenticated"


def test_no_credential_is_a_401(api: Api) -> None:
    assert api.get("/auth/me").status_code == 401


def test_a_refresh_token_is_no_access_token(api: Api) -> None:
    alice: Person = make_person("alice")

    assert api.get("/auth/me", alice.refresh).status_code == 401
