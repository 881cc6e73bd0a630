"""What credits refuses, by name."""

from typing import ClassVar

from core.errors import Conflict, InvalidInput


class AmountOutOfRange(InvalidInput):
    """Zero, of the wrong sign, or beyond what a wallet can hold (2^62 nanos)."""

    code: ClassVar[str] = "amount_out_of_range"


class BadTerms(InvalidInput):
    """A grant that could never be used: it ends before it begins, or has ended already."""

    code: ClassVar[str] = "bad_terms"


class SourceKeyReused(Conflict):
    """The act's key is known, with other content."""

    code: ClassVar[str] = "source_key_reused"
