"""What credits refuses, by name."""

from typing import ClassVar

from core.errors import Conflict, InvalidInput, NotFound, NotPermitted, Unaffordable


class AmountOutOfRange(InvalidInput):
    """Zero, of the wrong sign, or beyond what a wallet can hold (2^62 nanos)."""

    code: ClassVar[str] = "amount_out_of_range"


class BadTerms(InvalidInput):
    """A grant that could never be used: it ends before it begins, or has ended already."""

    code: ClassVar[str] = "bad_terms"


class SourceKeyReused(Conflict):
    """The act's key is known, with other content."""

    code: ClassVar[str] = "source_key_reused"


class NothingToRefund(Conflict):
    """Nothing of a charge can be given back: it was nothing, or all of it was given back or written off."""

    code: ClassVar[str] = "nothing_to_refund"


class GrantNotLive(Conflict):
    """Nothing remains of the grant that the act could act on: it has ended, or is frozen already."""

    code: ClassVar[str] = "grant_not_live"


class HeldByOtherRequests(Unaffordable):
    """The credits are there, and other open holds keep them. `held` and `retry_after` in the facts."""

    code: ClassVar[str] = "held_by_other_requests"


class SpendingLimitReached(Unaffordable):
    """A spending limit would be passed: `limit_id`, `resets_at`, `retry_after` in the facts."""

    code: ClassVar[str] = "spending_limit_reached"


class AccountFrozen(NotPermitted):
    """An operator has stopped admission; usage that happens is still booked."""

    code: ClassVar[str] = "account_frozen"


class ApiKeyRevoked(NotPermitted):
    """The customer's key that a hold is asked for is revoked, or has expired."""

    code: ClassVar[str] = "api_key_revoked"


class HoldNotFound(NotFound):
    """The account has no such hold."""

    code: ClassVar[str] = "hold_not_found"


class HoldKeyReused(Conflict):
    """The hold's key has opened another hold: other amount, length or API key."""

    code: ClassVar[str] = "hold_key_reused"


class HoldVoided(Conflict):
    """A voided hold captures nothing; usage that happened is reported as an event."""

    code: ClassVar[str] = "hold_voided"


class HoldAlreadyCaptured(Conflict):
    """One event has captured the hold; a second one needs a hold of its own, or none."""

    code: ClassVar[str] = "hold_already_captured"


class NotSealedYet(Conflict):
    """The entry is booked, and no seal covers it so far; `retry_after` seconds are in the facts."""

    code: ClassVar[str] = "not_sealed_yet"
