"""One event by itself: written, booked and marked in one round trip, where nothing about its account is special."""

from datetime import datetime
from typing import Final, NamedTuple

from django.db import connection

from core.errors import InvariantViolation
from core.money import AMOUNT_MAX_NANOS
from usage.services.events import ReportedEvent, metadata_text
from usage.services.staging import Placed

_CHARGE_ONE: Final = f"SELECT outcome, charged_nanos, flag, available_nanos, reserved_nanos FROM usage_charge_one({', '.join(['%s'] * 25)})"  # noqa: S608 - nothing of a request is in it


class Outcome(NamedTuple):
    """
    `outcome`: `charged`; `known` (the event was there before: nothing was done); `by_hand` (nothing was done: take the batch's way); or the
    code of a refusal. In nanos: what it charged, what the account has left (maybe below 0), what its holds keep aside.
    """

    outcome: str
    charged_nanos: int
    flag: str | None
    available_nanos: int
    reserved_nanos: int


def charge_one(event: ReportedEvent, placed: Placed, *, now: datetime) -> Outcome:
    """Book one priced event by the database's function (usage/sql/charge_one.sql)."""
    rated = placed.rated
    values = (
        *(placed.account_id, event.event_id, placed.fingerprint.hex(), placed.api_key_id, rated.model_id, rated.version_id),
        *(rated.multiplier_id, event.status),
        *(event.input_tokens, event.output_tokens, event.cache_read_tokens, event.cache_write_tokens, event.reasoning_tokens),
        *(event.requests, event.images, event.seconds, rated.cost_nanos, rated.provider_cost_nanos, event.endpoint),
        *(metadata_text(event.metadata), placed.local_date, event.hold, placed.occurred_at, now, AMOUNT_MAX_NANOS),
    )
    with connection.cursor() as cursor:
        cursor.execute(_CHARGE_ONE, values)
        row = cursor.fetchone()
    if row is None:
        raise InvariantViolation("a function that returns one row returned none")
    return Outcome(*row)
