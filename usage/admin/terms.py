"""How the console shows terms that are in force for a period: prices, and multipliers of customers."""

from datetime import datetime
from typing import Final

from django.db.models import Q
from django.utils.safestring import SafeString

from core import clock
from core.console.filters import QuestionFilter
from core.console.shown import tag
from usage.models import PriceMultiplier, PriceVersion, covers, in_force
from usage.rating import BASIS_POINTS

TONES: Final = {"draft": "is-waiting", "coming": "is-waiting", "in force": "is-calm", "superseded": "is-plain", "ended": "is-plain"}


def factor(basis_points: int) -> str:
    """Basis points as the factor they are: 12,500 is `1.25`."""
    whole, rest = divmod(basis_points, BASIS_POINTS)
    return f"{whole}.{rest:04d}".rstrip("0").rstrip(".")


def state_of(terms: PriceVersion | PriceMultiplier, now: datetime, *, past: str) -> str:
    """Where terms stand at an instant; `past`: what those are called that were in force."""
    if terms.activated_at is None:
        return "draft"
    if terms.effective_at > now:
        return "coming"
    return "in force" if covers(terms, now) else past


def state_tag(terms: PriceVersion | PriceMultiplier, *, past: str) -> SafeString:
    """The state now, in its colour."""
    state = state_of(terms, clock.now(), past=past)
    return tag(state, TONES[state])


def is_draft(_now: datetime) -> Q:
    """Not activated."""
    return Q(activated_at=None)


def is_coming(now: datetime) -> Q:
    """Activated, and not yet effective."""
    return Q(activated_at__isnull=False, effective_at__gt=now)


def is_past(now: datetime) -> Q:
    """Was in force."""
    return Q(activated_at__isnull=False, ends_at__lte=now)


class TermsState(QuestionFilter):
    """Where terms stand now."""

    title = "state"
    parameter_name = "state"
    questions = {
        "draft": ("Draft", is_draft),
        "coming": ("Activated, not yet effective", is_coming),
        "in_force": ("In force", in_force),
        "past": ("Superseded or ended", is_past),
    }
