"""Where a grant stands, in operators' words: as a filter, and for one grant."""

from django.db.models import Q

from core import clock
from core.console.filters import QuestionFilter
from credits.models import Grant

ENDED = Q(voided_at__isnull=False) | Q(expired_at__isnull=False) | Q(is_empty=True, is_frozen=False)


class GrantState(QuestionFilter):
    """Where a grant stands now."""

    title = "state"
    parameter_name = "state"
    questions = {
        "effective": (
            "Effective: pays for usage now",
            lambda now: ~ENDED & Q(is_frozen=False, is_pending=False, effective_at__lte=now) & (Q(expires_at=None) | Q(expires_at__gt=now)),
        ),
        "coming": ("Not yet effective", lambda now: ~ENDED & Q(is_frozen=False, is_pending=False, effective_at__gt=now)),
        "pending": ("Waits for its money", lambda _now: ~ENDED & Q(is_frozen=False, is_pending=True)),
        "lapsing": (
            "Lapsing: past its end, not yet booked as expired",
            lambda now: ~ENDED & Q(is_frozen=False, is_pending=False, expires_at__lte=now),
        ),
        "ended": ("Ended: used up, expired or voided", lambda _now: ENDED),
        "frozen": ("Frozen by a dispute or an operator", lambda _now: ~ENDED & Q(is_frozen=True)),
    }


def grant_state(grant: Grant) -> str:
    """The filter's words for one grant, at the present instant."""
    now = clock.now()
    words = (
        (grant.voided_at, "voided"),
        (grant.expired_at, "expired"),
        (grant.is_frozen, "frozen"),
        (grant.remaining_nanos == 0, "used up"),
        (grant.is_pending, "waits for its money"),
        (grant.effective_at > now, "not yet effective"),
        (grant.expires_at and grant.expires_at <= now, "lapsing"),
    )
    return next((word for holds, word in words if holds), "effective")
