"""What is mailed to people. Called by tasks, so that a request never waits for mail nor shows by its time whether an address exists."""

from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.template.loader import render_to_string

from accounts.models import Account, Invite, User
from accounts.services.proofs import ADDRESS_PROOF, PASSWORD_PROOF, make_proof
from core import ids
from core.locks import lock_one

INVITE_PREFIX: Final = "inv_"


def send_verification(*, user_id: int) -> None:
    """Mail a person the token that proves their address; nothing where it is proven, or the person is gone."""
    user = User.objects.filter(pk=user_id, is_active=True, email_verified_at=None).first()
    if user is not None:
        _send("verify_email", "Please confirm your address", user.email, make_proof(ADDRESS_PROOF, user))


def send_verification_to(*, email: str) -> None:
    """The same by address, for somebody who asks again."""
    user = User.objects.filter(email=email.strip().lower()).first()
    if user is not None:
        send_verification(user_id=user.pk)


def send_password_reset(*, email: str) -> None:
    """Mail the person of this address a token to set a new password; nothing where there is no such active person."""
    user = User.objects.filter(email=email.strip().lower(), is_active=True).first()
    if user is not None:
        _send("password_reset", "Set a new password", user.email, make_proof(PASSWORD_PROOF, user))


def send_invite(*, invite_id: int, now: datetime, lifetime: timedelta) -> None:
    """Make an invite's secret, mail it and keep its hash. Sending again makes a new secret: only the last mail works."""
    secret = ids.new_secret(INVITE_PREFIX)
    with transaction.atomic():
        invite = lock_one(Invite.objects.filter(pk=invite_id, accepted_at=None, account__closed_at=None))
        if invite is None:
            return
        invite.secret_hash = ids.secret_digest(secret)
        invite.expires_at = now + lifetime
        invite.save(update_fields=["secret_hash", "expires_at"])
    account = Account.objects.get(pk=invite.account_id)
    _send(
        "invite",
        "You are invited to an account",
        invite.email,
        secret,
        account_name=account.name or "an account",
        role=invite.role,
    )


def _send(template: str, subject: str, address: str, token: str, **words: str) -> None:
    page = settings.MAIL_PAGES.get(template, "")
    words |= {"token": token, "link": page.replace("{token}", token), "public_url": settings.PUBLIC_URL}
    send_mail(subject, render_to_string(f"mail/{template}.txt", words), settings.DEFAULT_FROM_EMAIL, [address])
