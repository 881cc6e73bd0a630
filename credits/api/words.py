"""
What each kind of entry is called outside of the ledger: one table, over every kind.

The account API's three types (credit, debit, adjustment) depend on the sign as well, so they are `LedgerEntry.type`.
Source: the published words are the billing service's (`ai_usage`, `purchase`, …).
"""

from typing import Final, NamedTuple


class Words(NamedTuple):
    """`type`: the billing service's word. `description`: what a person reads where the entry has no text of its own."""

    type: str
    description: str


WORDS: Final[dict[str, Words]] = {
    "purchase": Words("purchase", "Purchase of credits"),
    "topup": Words("purchase", "Automatic top-up"),
    "plan_grant": Words("subscription", "Credits of the plan"),
    "rollover": Words("subscription", "Credits carried over"),
    "coupon_bonus": Words("bonus", "Coupon bonus"),
    "checkin": Words("checkin", "Daily check-in"),
    "promo": Words("bonus", "Promotional credits"),
    "compensation": Words("bonus", "Goodwill credits"),
    "usage": Words("ai_usage", "AI usage"),
    "usage_refund": Words("refund", "Refund of AI usage"),
    "reversal": Words("refund", "Reversal"),
    "expiry": Words("expiry", "Expired credits"),
    "grant_void": Words("expiry", "Withdrawn credits"),
    "refund": Words("refund", "Refund of a payment"),
    "dispute_lost": Words("refund", "Disputed payment"),
    "dispute_won": Words("refund", "Dispute won"),
    "manual": Words("adjustment", "Manual adjustment"),
    "write_off": Words("adjustment", "Write-off"),
    "opening": Words("adjustment", "Opening balance"),
    "split": Words("adjustment", "Split of a grant"),
}

BILLING_TYPES: Final = tuple(dict.fromkeys(words.type for words in WORDS.values()))
"""Every word the billing service has."""


def billing_type(kind: str) -> str:
    """The billing service's word for a kind."""
    return WORDS[kind].type


def default_description(kind: str) -> str:
    """What a person reads of an entry without a text of its own."""
    return WORDS[kind].description
