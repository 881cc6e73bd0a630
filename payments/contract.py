"""What a gateway is asked and what it answers, in our words. Amounts in minor units, instants aware and in UTC."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Protocol

SESSION_PLACE: Final = "{CHECKOUT_SESSION_ID}"
"""Stands in a success address for the provider's session."""


class PaymentState(StrEnum):
    """Where a payment stands at the provider, as it says now."""

    OPEN = "open"
    PROCESSING = "processing"
    PAID = "paid"
    FAILED = "failed"
    EXPIRED = "expired"


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a checkout, as the customer reads it."""

    description: str
    amount_minor: int


@dataclass(frozen=True, slots=True)
class CheckoutTerms:
    """A checkout to be opened. `idempotency_key` makes a repeat of the same question have the same answer."""

    idempotency_key: str
    order_id: str
    customer_id: str
    currency: str
    lines: tuple[Line, ...]
    success_url: str
    cancel_url: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class OpenedCheckout:
    """A page where a person can pay."""

    session_id: str
    url: str
    livemode: bool


@dataclass(frozen=True, slots=True)
class CustomerTerms:
    """Who an account is, for the provider."""

    account_id: int
    public_id: str
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class PaymentSnapshot:
    """
    A payment as the provider says it is at this moment.

    `order_id` and `attempt_key` are what we had written on it; empty where it is not ours. `amount_minor` and `currency`: what was
    received if paid, else what is asked. `failure_*`: the last decline, in the provider's words.
    """

    state: PaymentState
    order_id: str
    attempt_key: str
    session_id: str
    payment_id: str
    amount_minor: int
    currency: str
    livemode: bool
    failure_code: str = ""
    failure_reason: str = ""


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """An event as a provider tells it, verified or read from its list. `object_id`: what it is about, `payload`: all of it."""

    event_id: str
    type: str
    object_id: str
    api_version: str
    livemode: bool
    created_at: datetime
    payload: Mapping[str, Any]


class Gateway(Protocol):
    """
    One provider. Every call may raise ProviderUnavailable (no answer: it may have been done), ProviderFailed (an error of its own) or
    ProviderRefused (the question was wrong). Time-outs are explicit; no call is made while a row is locked.
    """

    def create_customer(self, terms: CustomerTerms) -> str:
        """The provider's id for an account; a new one each time."""
        ...

    def open_checkout(self, terms: CheckoutTerms) -> OpenedCheckout:
        """Open a page to pay on; a repeat with the same key has the same answer."""
        ...

    def expire_checkout(self, session_id: str) -> PaymentSnapshot:
        """See to it that nobody can pay there any more, and say how it stands then: paid, if somebody was faster."""
        ...

    def fetch_checkout(self, session_id: str) -> PaymentSnapshot:
        """How a checkout stands now."""
        ...

    def fetch_subject(self, event_type: str, object_id: str) -> PaymentSnapshot | None:
        """The payment that an event is about, as it stands now; None where it is about no payment that could be ours."""
        ...

    def parse_event(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ReportedEvent:
        """A webhook's event. Raises ForgedEvent unless its signature is right and fresh."""
        ...

    def list_events(self, *, since: datetime, until: datetime) -> Iterator[ReportedEvent]:
        """What the provider says happened in `[since, until)`, of the types we listen to."""
        ...
