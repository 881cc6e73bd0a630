"""A new person, with an account of their own."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from accounts.errors import EmailTaken, WeakPassword
from accounts.models import Account, Membership, User
from accounts.models.membership import Role
from core import jobs
from core.database import broken_constraint
from core.errors import FieldError

_EMAIL_CONSTRAINT: Final = "accounts_user_email_key"


@dataclass(frozen=True)
class Registration:
    """What registering made."""

    user: User
    account: Account


def register(*, email: str, password: str, now: datetime, name: str = "", zone: str = "UTC") -> Registration:
    """
    Make a person, their personal account and their ownership of it; mail a token that proves the address.

    Raises EmailTaken (two at once: exactly one wins), WeakPassword.
    """
    address = email.strip().lower()
    check_password(password, User(email=address))
    try:
        with transaction.atomic():
            user = _make_user(address, password, now)
            account = Account.objects.create(name=name, email=address, personal_of=user, zone=zone, created_at=now)
            Membership.objects.create(account=account, user=user, role=Role.OWNER, created_at=now)
            jobs.enqueue("accounts.tasks.send_verification", user_id=user.pk)
    except IntegrityError as error:
        if broken_constraint(error) == _EMAIL_CONSTRAINT:
            raise EmailTaken("Somebody registered this address; log in, or reset the password.") from error
        raise
    return Registration(user, account)


def check_password(password: str, user: User) -> None:
    """Ask the password validators. Raises WeakPassword with their reasons."""
    try:
        validate_password(password, user)
    except ValidationError as error:
        found = tuple(FieldError("password", " ".join(reason.messages), str(reason.code or "weak_password")) for reason in error.error_list)
        raise WeakPassword("Choose another password; `errors` says why.", errors=found) from error


def _make_user(address: str, password: str, now: datetime) -> User:
    user = User(email=address, created_at=now)
    user.set_password(password)
    user.save(force_insert=True)
    return user
