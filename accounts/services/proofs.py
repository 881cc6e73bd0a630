"""Mailed one-time tokens: to prove an address, to set a new password."""

from datetime import datetime
from typing import Final

from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.utils.http import base36_to_int, int_to_base36

from accounts.errors import InvalidToken
from accounts.models import Account, ApiKey, Invite, Membership, User
from accounts.selectors import forget_presented_keys
from accounts.services.registration import check_password
from accounts.services.tokens import revoke_all_tokens
from core.locks import lock_one


class _AddressProof(PasswordResetTokenGenerator):
    """Signs the person, the address and whether it is proven: it works once, and not after the address changed."""

    key_salt = "accounts.services.proofs.address"

    def _make_hash_value(self, user: User, timestamp: int) -> str:
        return f"{user.pk}{user.email}{user.email_verified_at}{timestamp}"


ADDRESS_PROOF: Final = _AddressProof()
PASSWORD_PROOF: Final = PasswordResetTokenGenerator()
"""Django's own: signs the password's hash and the last login, so it works once."""


def make_proof(generator: PasswordResetTokenGenerator, user: User) -> str:
    """A token for the mail: whose, when, signed. It lives for `PASSWORD_RESET_TIMEOUT` seconds."""
    return f"{int_to_base36(user.pk)}.{generator.make_token(user)}"


def verify_email(*, token: str, now: datetime) -> None:
    """Note that the person received mail at their address. Raises InvalidToken, also for the second use."""
    with transaction.atomic():
        user = _proven(ADDRESS_PROOF, token)
        user.email_verified_at = now
        user.save(update_fields=["email_verified_at"])


def set_new_password(*, token: str, password: str, now: datetime) -> None:
    """
    Replace the password by the mailed token and end every login made before. The address counts as proven.

    Raises InvalidToken (also for the second use; of two at once exactly one wins), WeakPassword.
    """
    with transaction.atomic():
        user = _proven(PASSWORD_PROOF, token)
        check_password(password, user)
        user.set_password(password)
        if user.email_verified_at is None:
            _take_over(user, now)
        user.email_verified_at = user.email_verified_at or now
        user.save(update_fields=["password", "email_verified_at"])
        revoke_all_tokens(user_id=user.pk)


def _take_over(user: User, now: datetime) -> None:
    """
    Whoever registered an address that was not theirs keeps nothing: keys, members and invites of the personal account end.

    The first proof of the address came by this reset, so what was made before it was made by nobody known.
    """
    personal = Account.objects.filter(personal_of=user)
    ApiKey.objects.filter(account__in=personal, revoked_at=None).update(revoked_at=now)
    Membership.objects.filter(account__in=personal).exclude(user=user).delete()
    Invite.objects.filter(account__in=personal, accepted_at=None).delete()
    transaction.on_commit(forget_presented_keys)


def _proven(generator: PasswordResetTokenGenerator, token: str) -> User:
    whose, _, proof = token.partition(".")
    user = lock_one(User.objects.filter(pk=_user_id(whose), is_active=True))
    if user is None or not generator.check_token(user, proof):
        raise InvalidToken("This token is not valid, or was used or is too old; ask for a new one.", field="token")
    return user


def _user_id(text: str) -> int:
    try:
        number = base36_to_int(text)
    except ValueError:
        return 0
    return number if number < 2**63 else 0
