"""
Stripe in our words. Shapes are those of the pinned STRIPE_API_VERSION; tests check them against Stripe's own OpenAPI document.
"""

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

import stripe
from django.conf import settings

from payments.contract import (
    CheckoutTerms,
    CustomerTerms,
    OpenedCheckout,
    PaymentSnapshot,
    PaymentState,
    ReportedEvent,
)
from payments.errors import ForgedEvent, ProviderRefused
from payments.gateways.stripe_client import calling

SIGNATURE_HEADER: Final = "Stripe-Signature"
TOLERANCE_SECONDS: Final = 300
"""How old, or how far ahead, a webhook's time may be. What is replayed within is caught by the event's id."""

ORDER_KEY: Final = "order_id"
ATTEMPT_KEY: Final = "attempt_key"

SESSION_EVENTS: Final = (
    "checkout.session.completed",
    "checkout.session.async_payment_succeeded",
    "checkout.session.async_payment_failed",
    "checkout.session.expired",
)
PAYMENT_EVENTS: Final = (
    "payment_intent.succeeded",
    "payment_intent.payment_failed",
    "payment_intent.processing",
)
MIRRORED_EVENTS: Final = (
    "customer.created",
    "customer.updated",
    "charge.succeeded",
    "charge.failed",
    "charge.updated",
    "payment_method.attached",
    "payment_method.detached",
)
LISTENED_EVENTS: Final = (*SESSION_EVENTS, *PAYMENT_EVENTS, *MIRRORED_EVENTS)
"""What the webhook endpoint subscribes to: the first two kinds are about money, the others keep the mirror whole."""

_EXPANDED: Final = ["payment_intent.latest_charge"]


class StripeGateway:
    """The gateway of Stripe."""

    def create_customer(self, terms: CustomerTerms) -> str:
        """The customer, with the metadata by which dj-stripe links it to its account."""
        params: dict[str, Any] = {"metadata": {"djstripe_subscriber": str(terms.account_id), "account": terms.public_id}}
        params |= {name: value for name, value in (("name", terms.name), ("email", terms.email)) if value}
        with calling() as client:
            made = client.v1.customers.create(params)  # type: ignore[arg-type]  # a plain dict of the documented form
        return made.id

    def open_checkout(self, terms: CheckoutTerms) -> OpenedCheckout:
        """A Checkout session in payment mode; what we must find again stands in the metadata of session and payment intent."""
        with calling() as client:
            session = client.v1.checkout.sessions.create(
                _session_params(terms),  # type: ignore[arg-type]  # a plain dict of the documented form
                {"idempotency_key": terms.idempotency_key},
            )
        if not session.url:
            raise ProviderRefused("The payment provider gave no page to pay on.")
        return OpenedCheckout(session.id, session.url, session.livemode)

    def expire_checkout(self, session_id: str) -> PaymentSnapshot:
        """Expire the session; one that is no longer open says so by being fetched. Raises ProviderRefused if it stays open."""
        try:
            with calling() as client:
                client.v1.checkout.sessions.expire(session_id)
        except ProviderRefused:
            said = self.fetch_checkout(session_id)
            if said.state is PaymentState.OPEN:
                raise
            return said  # Complete or expired already.
        return self.fetch_checkout(session_id)

    def fetch_checkout(self, session_id: str) -> PaymentSnapshot:
        """The session with its payment intent."""
        with calling() as client:
            session = client.v1.checkout.sessions.retrieve(session_id, {"expand": _EXPANDED})
        return _of_session(session.to_dict())

    def fetch_subject(self, event_type: str, object_id: str) -> PaymentSnapshot | None:
        """The session or payment intent that the event names, read now."""
        if event_type in SESSION_EVENTS:
            return self.fetch_checkout(object_id)
        if event_type in PAYMENT_EVENTS:
            with calling() as client:
                intent = client.v1.payment_intents.retrieve(object_id, {"expand": ["latest_charge"]})
            return _of_intent(intent.to_dict())
        return None

    def parse_event(self, body: bytes, headers: Mapping[str, str], *, now: datetime) -> ReportedEvent:
        """Verified by any of STRIPE_WEBHOOK_SECRETS, so that a secret can be changed without a gap."""
        header = headers.get(SIGNATURE_HEADER, "")
        if not any(_is_signed(body, header, secret, now) for secret in settings.STRIPE_WEBHOOK_SECRETS):
            raise ForgedEvent("The signature of this webhook is missing, wrong or too old.")
        try:
            return _reported(json.loads(body))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ForgedEvent("This webhook is signed and holds no event.") from error

    def list_events(self, *, since: datetime, until: datetime) -> Iterator[ReportedEvent]:
        """Stripe keeps its events for 30 days."""
        created = {"gte": int(since.timestamp()), "lt": int(until.timestamp())}
        with calling() as client:
            page = client.v1.events.list({"created": created, "types": list(LISTENED_EVENTS), "limit": 100})  # type: ignore[arg-type]
            for event in page.auto_paging_iter():
                yield _reported(event.to_dict(for_json=True))


def _session_params(terms: CheckoutTerms) -> dict[str, Any]:
    ours = {ORDER_KEY: terms.order_id, ATTEMPT_KEY: terms.idempotency_key}
    return {
        "mode": "payment",
        "customer": terms.customer_id,
        "client_reference_id": terms.order_id,
        "metadata": ours,
        "payment_intent_data": {"metadata": ours, "description": f"Order {terms.order_id}"},
        "line_items": [
            {
                "quantity": 1,
                "price_data": {
                    "currency": terms.currency.lower(),
                    "unit_amount": line.amount_minor,
                    "product_data": {"name": line.description},
                },
            }
            for line in terms.lines
            if line.amount_minor
        ],
        "success_url": terms.success_url,
        "cancel_url": terms.cancel_url,
        "expires_at": int(terms.expires_at.timestamp()),
    }


def _of_session(session: Mapping[str, Any]) -> PaymentSnapshot:
    metadata = session.get("metadata") or {}
    intent = session.get("payment_intent") or {}
    intent = intent if isinstance(intent, Mapping) else {"id": intent}
    code, reason = _failure(intent)
    return PaymentSnapshot(
        state=_session_state(session),
        order_id=metadata.get(ORDER_KEY, ""),
        attempt_key=metadata.get(ATTEMPT_KEY, ""),
        session_id=session["id"],
        payment_id=intent.get("id", ""),
        amount_minor=_kept(intent, session["amount_total"] or 0),
        currency=(intent.get("currency") or session["currency"] or "").upper(),
        livemode=session["livemode"],
        failure_code=code,
        failure_reason=reason,
    )


def _session_state(session: Mapping[str, Any]) -> PaymentState:
    if session["payment_status"] == "paid":
        return PaymentState.PAID
    if session["status"] == "expired":
        return PaymentState.EXPIRED
    if session["status"] == "open":
        return PaymentState.OPEN
    # Complete and unpaid: a method that settles later. Its intent says whether it still may.
    intent = session.get("payment_intent")
    is_failed = isinstance(intent, Mapping) and intent["status"] in {"requires_payment_method", "canceled"}
    return PaymentState.FAILED if is_failed else PaymentState.PROCESSING


def _of_intent(intent: Mapping[str, Any]) -> PaymentSnapshot:
    """An intent alone: it may still be paid by another card, so a decline leaves it open."""
    metadata = intent.get("metadata") or {}
    code, reason = _failure(intent)
    states = {"succeeded": PaymentState.PAID, "processing": PaymentState.PROCESSING}
    return PaymentSnapshot(
        state=states.get(intent["status"], PaymentState.OPEN),
        order_id=metadata.get(ORDER_KEY, ""),
        attempt_key=metadata.get(ATTEMPT_KEY, ""),
        session_id="",
        payment_id=intent["id"],
        amount_minor=_kept(intent, intent["amount"]),
        currency=intent["currency"].upper(),
        livemode=intent["livemode"],
        failure_code=code,
        failure_reason=reason,
    )


def _kept(intent: Mapping[str, Any], asked_minor: int) -> int:
    """What was received and not given back since; before it is received, what is asked."""
    received = intent.get("amount_received")
    charge = intent.get("latest_charge")
    refunded = charge.get("amount_refunded", 0) if isinstance(charge, Mapping) else 0
    return received - refunded if received else asked_minor


def _failure(intent: Mapping[str, Any]) -> tuple[str, str]:
    """The last decline: the bank's code where it gave one, and the provider's sentence for the customer."""
    error = intent.get("last_payment_error") or {}
    return error.get("decline_code") or error.get("code") or "", error.get("message") or ""


def _is_signed(body: bytes, header: str, secret: str, now: datetime) -> bool:
    try:
        stripe.WebhookSignature.verify_header(body, header, secret, None)
        # One time only: with a second one a replay could show a fresh time beside the old one that was signed.
        (sent_at,) = (int(value) for name, _, value in (part.partition("=") for part in header.split(",")) if name == "t")
    except (stripe.SignatureVerificationError, UnicodeDecodeError, ValueError, TypeError):  # TypeError: a signature beyond ASCII.
        return False
    # The library has no bound ahead, and reads the clock by itself.
    return abs(now.timestamp() - sent_at) <= TOLERANCE_SECONDS


def _reported(event: Mapping[str, Any]) -> ReportedEvent:
    return ReportedEvent(
        event_id=event["id"],
        type=event["type"],
        object_id=event["data"]["object"].get("id") or "",
        api_version=event.get("api_version") or "",
        livemode=event["livemode"],
        created_at=datetime.fromtimestamp(event["created"], UTC),
        payload=event,
    )


def ensure_webhook_endpoint(url: str) -> str:
    """
    An endpoint at Stripe for this address, with the events we listen to, in the pinned version of the API.

    Returns a new one's signing secret, and "" for one that was there. Raises ProviderUnavailable, ProviderFailed, ProviderRefused.
    """
    events: Any = list(LISTENED_EVENTS)
    with calling() as client:
        for known in client.v1.webhook_endpoints.list({"limit": 100}).auto_paging_iter():
            if known.url == url and known.api_version == settings.STRIPE_API_VERSION and known.status == "enabled":
                client.v1.webhook_endpoints.update(known.id, {"enabled_events": events})
                return ""
        version: Any = settings.STRIPE_API_VERSION
        made = client.v1.webhook_endpoints.create({"url": url, "enabled_events": events, "api_version": version})
    return made.secret or ""
