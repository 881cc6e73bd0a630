"""Keeping dj-stripe's copies up to date, after and apart from the money."""

import logging
from datetime import datetime
from typing import Final

from core.clock import HasTime, forever
from payments.errors import ProviderUnavailable
from payments.gateways import stripe_mirror
from payments.models import Provider, ProviderEvent
from payments.services.settlement import is_our_mode
from payments.transitions import EventStatus

logger = logging.getLogger(__name__)

_BATCH: Final = 100


def mirror_events(*, now: datetime, has_time: HasTime = forever) -> int:
    """
    Copy what events that are done were about, as it is now, the oldest first; returns how many events.

    One job at a time does this, for a short time, so that copies do not keep money waiting. It stops at a provider that does not
    answer; what cannot be copied for another reason is logged and left.
    """
    done = ProviderEvent.objects.filter(provider=Provider.STRIPE, status=EventStatus.DONE, mirrored_at=None).order_by("pk")
    copied = 0
    for event in done[:_BATCH]:
        if not has_time():
            break
        try:
            _copy(event)
        except ProviderUnavailable as error:
            logger.warning("Copies wait for the provider: %s", error.message)
            break
        except Exception:  # One that the provider refuses, or dj-stripe stumbles over; the others are copied all the same.
            logger.exception("What event %s is about could not be copied.", event.event_id)
        ProviderEvent.objects.filter(pk=event.pk).update(mirrored_at=now)
        copied += 1
    return copied


def _copy(event: ProviderEvent) -> None:
    if is_our_mode(event.livemode):
        stripe_mirror.mirror(event.type, event.object_id)
