"""Which account and key a public id means, remembered for the better part of a minute, so that a warm batch asks nothing."""

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Generic, TypeVar

from accounts.selectors import AccountRef, KeyRef, find_key_refs
from credits.services.wallets import find_accounts_with_wallets

REMEMBER_SECONDS: Final = 50.0
"""
Ids never change hands. An account's zone can be this late, and is announced a minute before its midnight at the latest; so can its price
tier, which therefore acts within a minute.
"""
REMEMBER_MAX: Final = 200_000

RefT = TypeVar("RefT")


@dataclass(slots=True)
class Memory(Generic[RefT]):
    """What was found, by public id, with when. Unknown ids are never remembered: guessing must not fill memory."""

    find: Callable[[Collection[str], datetime], dict[str, RefT]]
    found: dict[str, tuple[float, RefT]] = field(default_factory=dict)

    def resolve(self, public_ids: set[str], now: datetime) -> dict[str, RefT]:
        """Those of the ids that exist; at most one query, none where all are warm."""
        oldest = time.monotonic() - REMEMBER_SECONDS
        known = {public_id: kept[1] for public_id in public_ids if (kept := self.found.get(public_id)) is not None and kept[0] > oldest}
        missing = public_ids - known.keys()
        return known | self._look_up(missing, now) if missing else known

    def forget(self) -> None:
        """Ask again at the next use."""
        self.found.clear()

    def _look_up(self, missing: set[str], now: datetime) -> dict[str, RefT]:
        if len(self.found) > REMEMBER_MAX:
            self.found.clear()
        refs = self.find(missing, now)
        asked_at = time.monotonic()
        self.found.update({public_id: (asked_at, ref) for public_id, ref in refs.items()})
        return refs


def _find_accounts(public_ids: Collection[str], now: datetime) -> dict[str, AccountRef]:
    return find_accounts_with_wallets(public_ids, now=now)


def _find_keys(public_ids: Collection[str], _now: datetime) -> dict[str, KeyRef]:
    return find_key_refs(public_ids)


ACCOUNTS: Final = Memory[AccountRef](_find_accounts)
"""Accounts that exist, each with a wallet by the time it is seen here."""

KEYS: Final = Memory[KeyRef](_find_keys)
"""Customers' keys that exist, revoked ones too: their usage happened."""
