"""The ledger's rows."""

from credits.models.allocation import Allocation, Role
from credits.models.entry import Book, EntryType, Kind, LedgerEntry
from credits.models.grant import Category, Grant
from credits.models.wallet import Policy, Wallet

__all__ = ("Allocation", "Book", "Category", "EntryType", "Grant", "Kind", "LedgerEntry", "Policy", "Role", "Wallet")
