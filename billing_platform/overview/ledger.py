"""An account's entries in words a person understands: credits knows what moved, usage for which model."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from core.api.bounds import Bounds
from credits.api.words import billing_type, default_description
from credits.selectors import EntryType, LedgerEntry, list_entries
from credits.services.wallets import read_wallet
from usage.selectors import model_codes_of_events

USAGE_SOURCE: Final = "usage_event"
FOREVER: Final = Bounds(None, None)


@dataclass(frozen=True)
class Line:
    """One entry as clients read it."""

    entry: LedgerEntry
    description: str

    @property
    def type(self) -> str:
        """The account API's word."""
        return self.entry.type.value

    @property
    def billing_type(self) -> str:
        """The billing service's word."""
        return billing_type(self.entry.kind)

    @property
    def reference(self) -> str:
        """What it is called outside of the ledger: a payment's id, or the usage event's."""
        return self.entry.reference or (self.entry.source_id if self.entry.source_type == USAGE_SOURCE else "")

    @property
    def metadata(self) -> Any:  # noqa: ANN401  JSON of the entry's source.
        """Always an object."""
        return self.entry.metadata or {}


@dataclass(frozen=True)
class LedgerPage:
    """Some lines, newest first, how many there are in all, and what was asked for."""

    items: list[Line]
    total: int
    total_is_capped: bool
    limit: int
    offset: int


def read_ledger_page(
    *,
    account_id: int,
    now: datetime,
    limit: int,
    offset: int,
    entry_type: EntryType | None = None,
    bounds: Bounds = FOREVER,
) -> LedgerPage:
    """
    One page of an account's ledger, newest first. What is due is booked first, so that it agrees with the balance.

    Raises InvalidInput for an offset beyond what a filtered list reaches.
    """
    read_wallet(account_id=account_id, now=now)
    page = list_entries(
        account_id=account_id,
        kinds=None,
        entry_type=entry_type,
        since=bounds.since,
        until=bounds.until,
        limit=limit,
        offset=offset,
    )
    models = model_codes_of_events(account_id=account_id, event_ids=_event_ids(page.items))
    lines = [Line(entry, _description(entry, models)) for entry in page.items]
    return LedgerPage(lines, page.total, page.total_is_capped, limit, offset)


def _event_ids(entries: list[LedgerEntry]) -> list[str]:
    return [entry.source_id for entry in entries if entry.source_type == USAGE_SOURCE]


def _description(entry: LedgerEntry, models: dict[str, str]) -> str:
    words = entry.description or default_description(entry.kind)
    model = models.get(entry.source_id) if entry.source_type == USAGE_SOURCE else None
    return f"{words} ({model})" if model else words
