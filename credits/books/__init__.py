"""
The ledger's rules as pure functions over one account's rows: no database, no clock, no settings.

A `Books` is loaded under the wallet's lock, an act changes it in memory and adds rows to it, and `credits.services.posting`
writes what was added. tests/properties compares it with a plain model over random histories.
"""

from credits.books.books import Books
from credits.books.due import book_due, next_change_at
from credits.books.lifecycle import ClawBackTerms, book_split, claw_back, freeze, release, settle_money, void, write_off
from credits.books.rows import LATE_GRACE, AllocationRow, Bearer, Charge, EntryRow, Lot, Reservation, Shortfall, Source, Span
from credits.books.spending import spend
from credits.books.undo import Undone, refundable, undo

__all__ = (
    "LATE_GRACE",
    "AllocationRow",
    "Bearer",
    "Books",
    "Charge",
    "ClawBackTerms",
    "EntryRow",
    "Lot",
    "Reservation",
    "Shortfall",
    "Source",
    "Span",
    "Undone",
    "book_due",
    "book_split",
    "claw_back",
    "freeze",
    "next_change_at",
    "refundable",
    "release",
    "settle_money",
    "spend",
    "undo",
    "void",
    "write_off",
)
