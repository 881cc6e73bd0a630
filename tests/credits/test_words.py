"""What each kind of entry is called in the published APIs."""

from credits.api.words import BILLING_TYPES, WORDS, billing_type, default_description
from credits.models import EntryType, Kind, LedgerEntry

CREDIT, DEBIT, ADJUSTMENT = EntryType.CREDIT, EntryType.DEBIT, EntryType.ADJUSTMENT
PUBLISHED = {
    Kind.PURCHASE: ({CREDIT}, "purchase"),
    Kind.TOPUP: ({CREDIT}, "purchase"),
    Kind.PLAN_GRANT: ({CREDIT}, "subscription"),
    Kind.ROLLOVER: ({CREDIT}, "subscription"),
    Kind.COUPON_BONUS: ({CREDIT}, "bonus"),
    Kind.CHECKIN: ({CREDIT}, "checkin"),
    Kind.PROMO: ({CREDIT}, "bonus"),
    Kind.COMPENSATION: ({CREDIT}, "bonus"),
    Kind.USAGE: ({DEBIT}, "ai_usage"),
    Kind.USAGE_REFUND: ({CREDIT}, "refund"),
    Kind.REVERSAL: ({CREDIT, DEBIT}, "refund"),
    Kind.EXPIRY: ({DEBIT}, "expiry"),
    Kind.GRANT_VOID: ({DEBIT}, "expiry"),
    Kind.REFUND: ({DEBIT}, "refund"),
    Kind.DISPUTE_LOST: ({DEBIT}, "refund"),
    Kind.DISPUTE_WON: ({CREDIT}, "refund"),
    Kind.MANUAL: ({ADJUSTMENT}, "adjustment"),
    Kind.WRITE_OFF: ({ADJUSTMENT}, "adjustment"),
    Kind.OPENING: ({ADJUSTMENT}, "adjustment"),
    Kind.SPLIT: ({ADJUSTMENT}, "adjustment"),
}
ONLY_POSITIVE = {kind for kind, (types, _) in PUBLISHED.items() if types == {CREDIT}}
ONLY_NEGATIVE = {kind for kind, (types, _) in PUBLISHED.items() if types == {DEBIT}}


def signs_of(kind: Kind) -> tuple[int, ...]:
    if kind in ONLY_POSITIVE:
        return (1,)
    return (-1,) if kind in ONLY_NEGATIVE else (-1, 1)


def test_every_kind_has_its_words_in_both_apis() -> None:
    assert set(PUBLISHED) == set(Kind)
    assert {Kind(kind) for kind in WORDS} == set(Kind)
    for kind, (types, word) in PUBLISHED.items():
        assert {LedgerEntry(kind=kind, amount_nanos=sign).type for sign in signs_of(kind)} == types
        assert billing_type(kind) == word


def test_every_kind_has_a_description_of_its_own() -> None:
    descriptions = [default_description(kind) for kind in Kind]
    assert all(descriptions)
    assert len(set(descriptions)) == len(descriptions)


def test_the_billing_service_has_eight_words() -> None:
    assert set(BILLING_TYPES) == {word for _, word in PUBLISHED.values()}
