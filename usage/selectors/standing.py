"""How far the jobs are that make roll-ups: what waits to be counted, and what is folded of all accounts."""

from datetime import datetime, timedelta
from typing import Final

from django.db.models import Min

from usage.models import FoldMark, UncountedBlock

COUNTED_LATE: Final = timedelta(minutes=10)
FOLDED_LATE: Final = timedelta(hours=1)


def uncounted_long(now: datetime) -> datetime | None:
    """Since when something waits to be counted, if that is longer than any count takes. One pass over the marks, which are narrow."""
    oldest: datetime | None = UncountedBlock.objects.aggregate(oldest=Min("received_at"))["oldest"]
    return oldest if oldest is not None and oldest < now - COUNTED_LATE else None


def find_fold() -> FoldMark | None:
    """The last fold over all accounts; None before the first."""
    return FoldMark.objects.first()
