"""Whether the ledger's quiet jobs keep up: what was booked long ago and no seal covers, and days that the house has not booked."""

from datetime import date, datetime, timedelta
from typing import Final

from credits.models import LedgerEntry
from credits.services.house_days import day_behind
from credits.services.written_off import WRITTEN_OFF

SEALED_LATE: Final = timedelta(minutes=15)
"""Entries are sealed every five minutes: so long after it was booked, one that is not says that sealing stands still."""

_NEWEST_IDS: Final = 100


def unsealed_long(now: datetime, limit: int) -> list[LedgerEntry]:
    """
    Of the accounts that moved last: the first entry that no seal covers, where it has waited too long. The longest first.

    A busy ledger moves the same accounts again and again, so whether all sealing stands still shows here; what stands still in one
    account that nothing moves, `verify_ledger` finds. A few look-ups of indexes, whatever the size of the tables.
    """
    found = LedgerEntry.objects.raw(_FIRST_UNSEALED, {"newest": _NEWEST_IDS, "before": now - SEALED_LATE, "most": limit})
    return list(found.prefetch_related("account"))


def write_offs_behind(now: datetime) -> date | None:
    """The first day whose write-offs the house should have booked long ago."""
    return day_behind(WRITTEN_OFF, now=now)


_FIRST_UNSEALED: Final = """
SELECT waiting.* FROM (
    SELECT DISTINCT account_id FROM ledger_entry
    WHERE id > (SELECT pg_sequence_last_value(pg_get_serial_sequence('ledger_entry', 'id'))) - %(newest)s
) AS moved
LEFT JOIN LATERAL (
    SELECT c.seq FROM ledger_checkpoint c WHERE c.account_id = moved.account_id ORDER BY c.seq DESC LIMIT 1
) AS sealed ON true
JOIN ledger_entry waiting ON waiting.account_id = moved.account_id AND waiting.seq = coalesce(sealed.seq, 0) + 1
WHERE waiting.created_at < %(before)s ORDER BY waiting.created_at LIMIT %(most)s
"""
