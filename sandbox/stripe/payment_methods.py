"""Payment methods: cards, and bank debits that settle later."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sandbox.store import Json, Record
from sandbox.stripe import cards, listing
from sandbox.stripe.act import Act
from sandbox.stripe.cards import Card
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.metadata import merged
from sandbox.stripe.parameters import ADDRESS, EXPAND, PAGING, clearable, email, integer, metadata, record, text
from sandbox.stripe.routing import Call, Route

EMPTY_ADDRESS: Json = dict.fromkeys(("city", "country", "line1", "line2", "postal_code", "state"))
BANK = "us_bank_account"

BILLING = record(
    {"address": clearable(ADDRESS), "email": clearable(email), "name": clearable(text()), "phone": clearable(text()), "tax_id": text()}
)
CARD = record(
    {"number": text(), "exp_month": integer(1, 12), "exp_year": integer(0, 9999), "cvc": text(4), "token": text()},
    unsupported=("networks",),
)
DATA = record(
    {"type": text(choices=("card",)), "card": CARD, "billing_details": BILLING, "metadata": metadata, "allow_redisplay": text()},
    required=("type",),
)


def billing_details(given: object = None) -> Json:
    """Billing details in full, from those that were given."""
    known = dict(given) if isinstance(given, Mapping) else {}
    address = EMPTY_ADDRESS | dict(known.get("address") or {})
    return {"address": address, "email": known.get("email"), "name": known.get("name"), "phone": known.get("phone"), "tax_id": None}


def new_card(act: Act, card: Card, billing: Json, meta: Mapping[str, str] | None = None, allow_redisplay: str = "unspecified") -> Record:
    """Store a card as a payment method of nobody yet."""
    body = _shared(act, "card", billing, meta or {}, allow_redisplay) | {
        "card": {
            "brand": card.brand,
            "checks": {"address_line1_check": None, "address_postal_code_check": None, "cvc_check": "unchecked"},
            "country": "US",
            "display_brand": card.brand,
            "exp_month": card.exp_month,
            "exp_year": card.exp_year,
            "fingerprint": card.fingerprint,
            "funding": "credit",
            "generated_from": None,
            "last4": card.last4,
            "networks": {"available": [card.brand], "preferred": None},
            "regulated_status": "unregulated",
            "three_d_secure_usage": {"supported": True},
            "wallet": None,
        }
    }
    return act.add(Record(body, {"behavior": card.behavior}))


def new_bank_debit(act: Act, billing: Json) -> Record:
    """Store a bank account whose debits take days."""
    body = _shared(act, BANK, billing, {}, "unspecified") | {
        BANK: {
            "account_holder_type": "individual",
            "account_type": "checking",
            "bank_name": "SANDBOX BANK",
            "financial_connections_account": None,
            "fingerprint": act.new_id("", 16),
            "last4": "6789",
            "networks": {"preferred": "ach", "supported": ["ach"]},
            "routing_number": "110000000",
            "status_details": {},
        }
    }
    return act.add(Record(body, {"behavior": "succeeds"}))


def _shared(act: Act, kind: str, billing: Json, meta: Mapping[str, str], allow_redisplay: str) -> Json:
    return {
        "id": act.new_id("pm_1", 23),
        "object": "payment_method",
        "allow_redisplay": allow_redisplay,
        "billing_details": billing,
        "created": act.now,
        "customer": None,
        "customer_account": None,
        "livemode": False,
        "metadata": dict(meta),
        "type": kind,
    }


def from_data(act: Act, data: Json, param: str = "") -> Record:
    """The payment method that `payment_method_data`, or the body of a creation, describes. Raises for a number that cannot be one."""
    given = data.get("card") or {}
    inside = f"{param}[card]" if param else "card"
    billing = billing_details(data.get("billing_details"))
    if "token" in given:
        return _from_token(act, str(given["token"]), billing, f"{inside}[token]")
    for name in ("number", "exp_month", "exp_year"):
        if name not in given:
            raise StripeError(f"Missing required param: {inside}[{name}].", code="parameter_missing", param=f"{inside}[{name}]")
    number = cards.digits(str(given["number"]))
    year = full_year(int(given["exp_year"]))
    if not cards.is_number(number):
        raise _wrong("incorrect_number", "Your card number is incorrect.", "number")
    if is_past(act.now, int(given["exp_month"]), year):
        raise _wrong("invalid_expiry_year", "Your card's expiration year is invalid.", "exp_year")
    card = cards.read(number, int(given["exp_month"]), year, act.world.api_key)
    return new_card(act, card, billing, merged({}, data.get("metadata")), str(data.get("allow_redisplay", "unspecified")))


def _wrong(code: str, message: str, param: str) -> StripeError:
    return StripeError(message, status=402, kind="card_error", code=code, param=param)


def full_year(year: int) -> int:
    """`34` is 2034."""
    return year + 2000 if year < 100 else year  # noqa: PLR2004  Two digits.


def is_past(now: int, month: int, year: int) -> bool:
    """Whether a card that expires in that month has expired."""
    today = datetime.fromtimestamp(now, UTC)
    return (year, month) < (today.year, today.month)


def _from_token(act: Act, token: str, billing: Json, param: str) -> Record:
    name = cards.TOKENS.get(token)
    if name is None:
        raise missing("token", token, param, 400)
    year = datetime.fromtimestamp(act.now, UTC).year + 1
    card = cards.read(cards.BY_NAME[name].number, 12, year, act.world.api_key)
    return new_card(act, card, billing)


def resolve(act: Act, id_: str, param: str, status: int = 400) -> Record:
    """The payment method of that id. One of Stripe's names for tests makes a new one."""
    if id_.startswith("pm_card_") and id_ in cards.TOKENS:
        return _from_token(act, id_, billing_details(), param)
    return act.find("payment_method", id_, param, status)


def attach(act: Act, method: Record, customer: str) -> None:
    """Save a payment method for a customer, and say so. Attaching it again to the same one does nothing. Raises if it is another's."""
    if method.body["customer"] == customer:
        return
    if method.body["customer"] is not None or method.private.get("detached"):
        raise StripeError("The payment method you provided has already been attached to a customer, or was detached from one.")
    method.body["customer"] = customer
    act.save(method)
    act.emit("payment_method.attached", method)


def release(act: Act, method: Record) -> None:
    """Take a payment method from its customer, for good."""
    before = dict(method.body)
    method.body["customer"] = None
    method.private["detached"] = True
    act.change("payment_method.detached", method, before)


def create(call: Call) -> Json:
    """`POST /v1/payment_methods`."""
    return from_data(call.act, dict(call.given)).body


def retrieve(call: Call) -> Json:
    """`GET /v1/payment_methods/{id}`."""
    return resolve(call.act, call.ids["id"], "payment_method", 404).body


def update(call: Call) -> Json:
    """`POST /v1/payment_methods/{id}`."""
    method = call.act.find("payment_method", call.ids["id"], "payment_method", 404)
    before = dict(method.body)
    method.body["metadata"] = merged(method.body["metadata"], call.given.get("metadata"))
    if "billing_details" in call.given:
        method.body["billing_details"] |= {name: value for name, value in call.record("billing_details").items() if name != "address"}
    call.act.change("payment_method.updated", method, before)
    return method.body


def attach_by_call(call: Call) -> Json:
    """`POST /v1/payment_methods/{id}/attach`. A card that declines everything is declined here."""
    method = resolve(call.act, call.ids["id"], "payment_method", 404)
    customer = call.act.find("customer", call.given["customer"], "customer")
    behavior = cards.BEHAVIORS[method.private["behavior"]]
    if behavior.decline and not behavior.attaches and not behavior.challenge:
        raise declined(behavior.decline)
    attach(call.act, method, customer.id)
    return method.body


def declined(why: cards.Decline, more: Json | None = None) -> StripeError:
    """A bank's no, as the API says it; what was written before stays."""
    facts = {"decline_code": why.decline_code, "advice_code": why.advice}
    told = {name: value for name, value in facts.items() if value is not None}
    return StripeError(why.message, status=402, kind="card_error", code=why.code, executed=True, more=told | (more or {}))


def detach(call: Call) -> Json:
    """`POST /v1/payment_methods/{id}/detach`."""
    method = call.act.find("payment_method", call.ids["id"], "payment_method", 404)
    if method.body["customer"] is None:
        raise StripeError("The payment method you provided is not attached to a customer so detachment is impossible.")
    release(call.act, method)
    return method.body


def of_customer(call: Call) -> Json:
    """`GET /v1/customers/{id}/payment_methods`, and the list by `customer`."""
    customer = call.ids.get("id") or call.text("customer")
    if "id" in call.ids:
        call.act.find("customer", customer, "customer", 404)
    filters = [*listing.by("customer", customer), *listing.by("type", call.text("type"))]
    return listing.listed(call, "payment_method", filters)


KINDS = {"type": text()}
PAGES = {name: check for name, check in PAGING.items() if name != "created"}
UPDATE = EXPAND | {"metadata": metadata, "billing_details": BILLING}
CREATE = EXPAND | {
    "type": text(choices=("card",)),
    "card": CARD,
    "billing_details": BILLING,
    "metadata": metadata,
    "allow_redisplay": text(choices=("always", "limited", "unspecified")),
}

ROUTES = (
    Route("POST", "/v1/payment_methods", create, CREATE, required=("type",), unsupported=("customer", "payment_method", "us_bank_account")),
    Route(
        "GET", "/v1/payment_methods", of_customer, PAGES | KINDS | {"customer": text()}, unsupported=("customer_account", "allow_redisplay")
    ),
    Route("GET", "/v1/payment_methods/{id}", retrieve),
    Route("POST", "/v1/payment_methods/{id}", update, UPDATE),
    Route("POST", "/v1/payment_methods/{id}/attach", attach_by_call, EXPAND | {"customer": text()}, required=("customer",)),
    Route("POST", "/v1/payment_methods/{id}/detach", detach),
    Route("GET", "/v1/customers/{id}/payment_methods", of_customer, PAGES | KINDS, unsupported=("allow_redisplay",)),
)
