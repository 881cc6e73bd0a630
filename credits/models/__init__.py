"""The ledger's rows."""

from credits.models.allocation import Allocation, Role
from credits.models.entry import Book, EntryType, Kind, LedgerEntry
from credits.models.grant import Category, Grant
from credits.models.hold import HOLD_LONGEST, Hold, HoldStatus
from credits.models.house import House, HouseAccount, HouseEntry
from credits.models.limit import Duration, LimitBucket, LimitNotice, SpendingLimit, Strategy
from credits.models.revenue import REVENUE_NANOS, RevenueDay, RevenueMark, RevenueTotal
from credits.models.seal import Checkpoint, Seal
from credits.models.wallet import Policy, Wallet

__all__ = (
    "HOLD_LONGEST",
    "REVENUE_NANOS",
    "Allocation",
    "Book",
    "Category",
    "Checkpoint",
    "Duration",
    "EntryType",
    "Grant",
    "Hold",
    "HoldStatus",
    "House",
    "HouseAccount",
    "HouseEntry",
    "Kind",
    "LedgerEntry",
    "LimitBucket",
    "LimitNotice",
    "Policy",
    "RevenueDay",
    "RevenueMark",
    "RevenueTotal",
    "Role",
    "Seal",
    "SpendingLimit",
    "Strategy",
    "Wallet",
)
