"""Forgets what has had its time."""

from datetime import datetime, timedelta
from typing import Final

from django.db import transaction
from rest_framework_simplejwt.token_blacklist.models import OutstandingToken

from accounts.models import Invite

_INVITE_TRACE: Final = timedelta(days=30)


def forget_expired(*, now: datetime) -> None:
    """Delete refresh tokens that no longer work, and invites that ended a month ago: they hold addresses."""
    with transaction.atomic():
        OutstandingToken.objects.filter(expires_at__lte=now).delete()
        Invite.objects.filter(expires_at__lte=now - _INVITE_TRACE).delete()
