"""
A local Stripe: stateful, with pages for a person, signed webhooks, a clock and faults. No money moves.

It is a process of its own with storage of its own. The product never imports it: only the API's host, the key and the webhook
secret tell it from Stripe. It listens on this machine only and takes one test key.

By hand::

    export SANDBOX_API_KEY=sk_test_… SANDBOX_WEBHOOK_SECRET=whsec_…
    python -m sandbox --port 12111 --data FILE --webhook-url http://127.0.0.1:8000/payment/webhook/stripe

In a test::

    with sandbox.running(api_key=KEY, webhook_url=URL, webhook_secret=SECRET) as stripe:
        stripe.base_url                         # the API, and the pages
        stripe.webhook_faults(WebhookFaults(duplicate=20, reorder="shuffle", delay_seconds=1, drop_next=1, forge=True))
        stripe.api_fault(ApiFault(path="/v1/checkout/sessions", times=1, delay_after=2))   # or status=500, hang_up=True, delay_before=2
        stripe.clear_faults()
        stripe.hold(); events = stripe.held(); stripe.release([each["id"] for each in reversed(events)])
        stripe.resend("evt_…"); stripe.retry(); stripe.drain()      # again; now instead of later; wait until all is delivered
        stripe.events("checkout.session.completed"); stripe.deliveries(); stripe.attempts()
        stripe.advance(86_400); stripe.set_time(1_900_000_000); stripe.now()
        stripe.stored("cs_test_…"); stripe.tamper("cs_test_…", amount_total=1, currency="eur", livemode=True)
        stripe.end_debit("cs_test_…", settled=True)                 # a bank debit arrives, or comes back

Over HTTP, from this machine, without a key, JSON both ways::

    GET    /_sandbox/health                      ready
    GET    /_sandbox/clock                       {"now": …};  POST {"advance": seconds} or {"set": seconds since 1970}
    GET    /_sandbox/faults                      all knobs;  PUT {"webhooks": {…}, "api": [{…}]} replaces them;  DELETE clears them
    GET    /_sandbox/deliveries                  deliveries and attempts
    POST   /_sandbox/webhooks/hold               GET …/held;  POST …/release {"order": ["evt_…"]} or {};  POST …/retry;  POST …/drain
    POST   /_sandbox/events/{id}/resend
    GET    /_sandbox/objects/{id}                PATCH {"amount_total": 1} overwrites fields
    POST   /_sandbox/debits/{id}                 {"outcome": "settle"} or {"outcome": "fail"}; by payment intent or session

Pages: `/` (what happened last), `/c/pay/{session}`, `/c/authenticate/{payment intent}`, `/c/receipt/{charge}`. They work without
scripts. The form's inputs are `email`, `method`, `number`, `exp`, `cvc`, `name`; the challenge's buttons are `answer=complete|fail`.

`sandbox.stripe` has one module per family of resources; `sandbox.stripe.routes` collects them.
"""

from sandbox.deliveries import Attempt, Delivery
from sandbox.exchange import Exchange
from sandbox.faults import ApiFault, BadKnob, WebhookFaults
from sandbox.running import NotATestKey, Sandbox, running
from sandbox.server import NotLoopback
from sandbox.store import WrongFile
from sandbox.stripe import API_VERSION
from sandbox.webhooks import RETRY_SECONDS, signature

__all__ = [
    "API_VERSION",
    "RETRY_SECONDS",
    "ApiFault",
    "Attempt",
    "BadKnob",
    "Delivery",
    "Exchange",
    "NotATestKey",
    "NotLoopback",
    "Sandbox",
    "WebhookFaults",
    "WrongFile",
    "running",
    "signature",
]
