"""
One tree of anticipated errors. Each has a stable snake_case `code`; HTTP is unknown here (core/api maps and renders them).

An error says what to do next in its message, and carries the facts of a refusal in `facts`.
"""

from dataclasses import dataclass
from typing import ClassVar


@dataclass(frozen=True)
class FieldError:
    """One bad field of the input: its dotted path, a sentence for a person, a code for a program."""

    field: str
    message: str
    code: str


class BillingError(Exception):
    """Something the caller did or met that was foreseen: a clear answer, never a stack trace."""

    code: ClassVar[str] = "billing_error"

    def __init__(self, message: str, *, code: str | None = None, **facts: object) -> None:
        """`message`: one sentence that says what to do. `code`: overrides the class's. `facts`: what the refusal was based on."""
        super().__init__(message)
        self.message = message
        self.stable_code = code or type(self).code
        self.facts = facts


class InvalidInput(BillingError):
    """Malformed or out of range; names the fields."""

    code: ClassVar[str] = "invalid_input"

    def __init__(self, message: str, *, code: str | None = None, field: str | None = None, errors: tuple[FieldError, ...] = ()) -> None:
        """`field` for one bad field, `errors` for several."""
        super().__init__(message, code=code)
        self.errors = errors or ((FieldError(field, message, self.stable_code),) if field else ())


class PayloadTooLarge(BillingError):
    """The body is larger than any honest request."""

    code: ClassVar[str] = "payload_too_large"


class NotAuthenticated(BillingError):
    """No token, or one that is unknown, expired or revoked."""

    code: ClassVar[str] = "not_authenticated"


class NotPermitted(BillingError):
    """The caller is known and may not do this."""

    code: ClassVar[str] = "not_permitted"


class NotFound(BillingError):
    """Does not exist, or belongs to somebody else: the answer is the same."""

    code: ClassVar[str] = "not_found"


class Conflict(BillingError):
    """The state of the thing does not allow this act."""

    code: ClassVar[str] = "conflict"


class Unaffordable(BillingError):
    """Money is missing (the code says so), held, limited or was declined (classes of their own say that)."""

    code: ClassVar[str] = "insufficient_credits"


class IdempotencyKeyReused(BillingError):
    """The same key came with another body."""

    code: ClassVar[str] = "idempotency_key_reused"


class RateLimited(BillingError):
    """Too many requests; `retry_after` seconds are in the facts."""

    code: ClassVar[str] = "rate_limited"


class Unavailable(BillingError):
    """Something this needs is down or stale; nothing moved, try again."""

    code: ClassVar[str] = "unavailable"


class InvariantViolation(AssertionError):
    """A rule of the ledger would be broken: a bug. The transaction is rolled back and somebody is paged."""
