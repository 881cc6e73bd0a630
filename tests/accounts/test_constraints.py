"""What the database itself refuses, whoever writes: each constraint of identity broken once by raw updates."""

import pytest
from django.db import IntegrityError, models, transaction

from accounts.models import Account, ApiKey, Invite, Membership, User
from core import clock
from tests.actors import Cast, customer_key

pytestmark = pytest.mark.django_db

BROKEN: dict[str, tuple[type[models.Model], dict[str, object]]] = {
    "account_public_id_is_32_hex": (Account, {"public_id": "G" * 32}),
    "account_low_balance_not_negative": (Account, {"low_balance_nanos": -1}),
    "account_next_zone_has_its_instant": (Account, {"next_zone": "Asia/Tokyo"}),
    "account_closed_has_no_personal_data": (Account, {"closed_at": clock.now(), "name": "Ada"}),
    "user_email_is_lower_case": (User, {"email": "Alice@example.com"}),
    "api_key_has_a_scope": (ApiKey, {"scopes": []}),
    "api_key_customers_never_write_usage": (ApiKey, {"scopes": ["usage:write"]}),
    "membership_role_known": (Membership, {"role": "king"}),
    "invite_role_known": (Invite, {"role": "king"}),
}


def an_invite(cast: Cast, *, number: int = 1) -> Invite:
    return Invite.objects.create(
        account=cast.alice.account,
        email="guest@example.com",
        role="viewer",
        secret_hash=f"hash-{number}",
        invited_by=cast.alice.user,
        expires_at=clock.now(),
    )


@pytest.mark.parametrize("name", BROKEN)
def test_the_database_refuses_what_breaks_a_constraint(cast: Cast, name: str) -> None:
    customer_key(cast.alice)
    an_invite(cast)
    model, values = BROKEN[name]
    row = model._default_manager.earliest("pk")

    with pytest.raises(IntegrityError, match=name), transaction.atomic():
        model._default_manager.filter(pk=row.pk).update(**values)


def test_a_person_is_a_member_once(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="membership_once_per_account"), transaction.atomic():
        Membership.objects.create(account=cast.alice.account, user=cast.bob.user, role="owner")


def test_an_address_has_one_open_invite(cast: Cast) -> None:
    an_invite(cast)
    with pytest.raises(IntegrityError, match="invite_open_once_per_address"), transaction.atomic():
        an_invite(cast, number=2)


def test_an_address_is_one_persons(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="accounts_user_email_key"), transaction.atomic():
        User.objects.filter(pk=cast.bob.user.pk).update(email="alice@example.com")


def test_a_person_has_one_personal_account(cast: Cast) -> None:
    with pytest.raises(IntegrityError, match="personal_of"), transaction.atomic():
        Account.objects.filter(pk=cast.bob.account.pk).update(personal_of=cast.alice.user)


def test_every_constraint_of_identity_is_broken_here() -> None:
    named = {
        constraint.name
        for model in (Account, ApiKey, Invite, Membership, User)
        for constraint in model._meta.constraints
        if isinstance(constraint, models.CheckConstraint)
    }

    assert named == set(BROKEN)
