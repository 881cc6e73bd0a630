"""The ledger in the admin: wallets, entries, grants, allocations. Everything here is read only."""

from credits.admin.grants import AllocationAdmin, GrantAdmin
from credits.admin.ledger import LedgerEntryAdmin
from credits.admin.wallets import WalletAdmin

__all__ = ("AllocationAdmin", "GrantAdmin", "LedgerEntryAdmin", "WalletAdmin")
