"""A card: one question, its newest answers, and the way to all of them."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

Row = tuple[object, ...]

NUMBERS: Final = frozenset(
    {
        "Amount",
        "Balance after",
        "Bears",
        "Came",
        "Charged",
        "Credits",
        "Debt",
        "Given back",
        "Kept aside",
        "Left to give back",
        "Limit",
        "Margin",
        "Owed",
        "Paid for it",
        "Price",
        "Provider asks",
        "Remaining",
        "Size",
        "Tokens",
        "Used",
    }
)
"""Headings of columns that are aligned to the right."""


@dataclass(frozen=True)
class Card:
    """
    A titled table with a link to the whole list, where `url` says that there is one. `nothing` is said where there are no rows.

    `is_work`: somebody should act on each row, so their number is shown; `has_more` says that it is a lower bound.
    """

    title: str
    url: str
    headings: tuple[str, ...]
    rows: Sequence[Row]
    nothing: str
    is_work: bool = False
    is_wide: bool = False
    has_more: bool = False

    @property
    def columns(self) -> list[tuple[str, bool]]:
        """Headings, and whether each stands over numbers."""
        return [(heading, heading in NUMBERS) for heading in self.headings]

    @property
    def cells(self) -> list[list[tuple[object, bool]]]:
        """Rows of cells, and whether each is a number."""
        return [[(cell, heading in NUMBERS) for cell, heading in zip(row, self.headings, strict=True)] for row in self.rows]
