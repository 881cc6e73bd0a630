"""Where a grant stands, in operators' words: as a filter, and for one grant. The rules are `credits.selectors`'."""

from collections.abc import Callable
from datetime import datetime

from django.db.models import Q

from core import clock
from core.console.filters import QuestionFilter
from credits.models import Grant
from credits.selectors import GrantState as State
from credits.selectors import grant_state as state_of
from credits.selectors import in_state


def _are(state: State) -> Callable[[datetime], Q]:
    return lambda now: in_state(state, now)


class GrantState(QuestionFilter):
    """Where a grant stands now."""

    title = "state"
    parameter_name = "state"
    questions = {
        "effective": ("Effective: pays for usage now", _are(State.EFFECTIVE)),
        "coming": ("Not yet effective", lambda now: in_state(State.COMING, now) & Q(is_pending=False)),
        "pending": ("Waits for its money", lambda now: in_state(State.COMING, now) & Q(is_pending=True)),
        "lapsing": ("Lapsing: past its end, not yet booked as expired", _are(State.LAPSING)),
        "ended": ("Ended: used up, expired or voided", _are(State.ENDED)),
        "frozen": ("Frozen by a dispute or an operator", _are(State.FROZEN)),
    }


def grant_state(grant: Grant) -> str:
    """The filter's words for one grant, at the present instant; of one that has ended, how."""
    state = state_of(grant, at=clock.now())
    if state is State.ENDED:
        return "voided" if grant.voided_at else "expired" if grant.expired_at else "used up"
    if state is State.COMING:
        return "waits for its money" if grant.is_pending else "not yet effective"
    return state.value
