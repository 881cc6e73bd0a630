"""Jobs of identity: mail, and forgetting what has expired."""

from celery import shared_task

from accounts.services import mail, upkeep
from accounts.services.membership import INVITE_LIFETIME
from core import clock

mailing = shared_task(autoretry_for=(OSError,), retry_backoff=5, retry_backoff_max=600, max_retries=8)
"""A mail server that is away for an hour loses nothing (smtplib's errors are OSErrors)."""


@mailing
def send_verification(*, user_id: int) -> None:
    mail.send_verification(user_id=user_id)


@mailing
def send_verification_to(*, email: str) -> None:
    mail.send_verification_to(email=email)


@mailing
def send_password_reset(*, email: str) -> None:
    mail.send_password_reset(email=email)


@mailing
def send_invite(*, invite_id: int) -> None:
    mail.send_invite(invite_id=invite_id, now=clock.now(), lifetime=INVITE_LIFETIME)


@shared_task
def forget_expired_tokens() -> None:
    upkeep.forget_expired(now=clock.now())
