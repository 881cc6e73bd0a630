"""The ledger in the admin, from wallets to seals. Nothing here is edited: what operators do is done by dialogs."""

from credits.admin.grants import AllocationAdmin, GrantAdmin
from credits.admin.holds import HoldAdmin
from credits.admin.house import HouseAccountAdmin, HouseEntryAdmin
from credits.admin.ledger import LedgerEntryAdmin
from credits.admin.limits import LimitNoticeAdmin, SpendingLimitAdmin
from credits.admin.seals import SealAdmin
from credits.admin.wallets import WalletAdmin

__all__ = (
    "AllocationAdmin",
    "GrantAdmin",
    "HoldAdmin",
    "HouseAccountAdmin",
    "HouseEntryAdmin",
    "LedgerEntryAdmin",
    "LimitNoticeAdmin",
    "SealAdmin",
    "SpendingLimitAdmin",
    "WalletAdmin",
)
