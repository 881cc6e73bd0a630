"""Payment intents by the API: for cards that were saved, with the person there or not."""

from collections.abc import Mapping

from sandbox.money import LARGEST, shown, smallest
from sandbox.store import Json, Record
from sandbox.stripe import charging, listing, payment_methods
from sandbox.stripe.act import Act
from sandbox.stripe.cards import AUTHENTICATION_REQUIRED
from sandbox.stripe.errors import StripeError, unexpected_state
from sandbox.stripe.metadata import merged
from sandbox.stripe.parameters import EXPAND, PAGING, anything, array, currency, email, flag, integer, metadata, record, text, url
from sandbox.stripe.routing import Call, Route

REASONS = ("abandoned", "duplicate", "fraudulent", "requested_by_customer")


def new(act: Act, given: Mapping[str, object], *, session: str | None = None) -> Record:
    """Store an intent and say so. `given` are the parameters of its creation; `session` is the checkout that makes it."""
    id_ = act.new_id("pi_3", 23)
    automatic = {"allow_redirects": "always", "enabled": True} if session is None and "payment_method_types" not in given else None
    body: Json = {
        "id": id_,
        "object": "payment_intent",
        "amount": given["amount"],
        "amount_capturable": 0,
        "amount_details": {"tip": {}},
        "amount_received": 0,
        "application": None,
        "application_fee_amount": None,
        "automatic_payment_methods": given.get("automatic_payment_methods", automatic),
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": "automatic_async",
        "client_secret": f"{id_}_secret_{act.new_id('', 25)}",
        "confirmation_method": "automatic",
        "created": act.now,
        "currency": given["currency"],
        "customer": given.get("customer"),
        "customer_account": None,
        "description": given.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": merged({}, given.get("metadata")),
        "next_action": None,
        "on_behalf_of": None,
        "payment_method": None,
        "payment_method_configuration_details": None,
        "payment_method_options": {},
        "payment_method_types": given.get("payment_method_types", ["card"]),
        "processing": None,
        "receipt_email": given.get("receipt_email"),
        "review": None,
        "setup_future_usage": given.get("setup_future_usage"),
        "shipping": None,
        "statement_descriptor": given.get("statement_descriptor"),
        "statement_descriptor_suffix": given.get("statement_descriptor_suffix"),
        "status": "requires_payment_method",
        "transfer_data": None,
        "transfer_group": None,
    }
    intent = act.add(Record(body, {} if session is None else {"session": session}))
    act.emit("payment_intent.created", intent)
    return intent


def check_amount(amount: int, unit: str, param: str, what: str = "Amount") -> None:
    """Refuse less or more than may be charged in a currency."""
    if amount < smallest(unit):
        raise StripeError(f"{what} must be at least {shown(smallest(unit), unit)}", code="amount_too_small", param=param)
    if amount > LARGEST:
        raise StripeError(f"{what} must be no more than {shown(LARGEST, unit)}", code="amount_too_large", param=param)


def create(call: Call) -> Json:
    """`POST /v1/payment_intents`, with `confirm` also taking the money at once."""
    given = dict(call.given)
    check_amount(int(str(given["amount"])), str(given["currency"]), "amount")
    if "customer" in given:
        call.act.find("customer", given["customer"], "customer")
    if given.get("off_session") and not given.get("confirm"):
        raise StripeError("You cannot set `off_session` without `confirm`.", param="off_session")
    if given.get("confirm") and not {"payment_method", "payment_method_data"} & given.keys():
        raise StripeError("You must provide a payment method to confirm.", code="parameter_missing", param="payment_method")
    if given.get("confirm"):
        _need_return_url(call, given)
    method = _method(call, str(given["customer"]) if "customer" in given else None)
    intent = new(call.act, given)
    if method is not None:
        intent.body |= {"payment_method": method.id, "status": "requires_confirmation"}
        call.act.save(intent)
    if given.get("confirm") and method is not None:
        _confirm(call, intent, method)
    return intent.body


def _need_return_url(call: Call, given: Mapping[str, object]) -> None:
    """Methods that redirect need an address to come back to; an intent that allows them cannot be confirmed without."""
    automatic = call.record("automatic_payment_methods")
    redirects = "payment_method_types" not in given and automatic.get("allow_redirects") != "never"
    if redirects and "return_url" not in given and not given.get("off_session"):
        message = "This PaymentIntent may accept payment methods that redirect: pass a `return_url`, or set allow_redirects to never."
        raise StripeError(message, param="return_url")


def _method(call: Call, customer: str | None) -> Record | None:
    """The payment method that a call names or describes. One that another customer owns is refused."""
    data = call.record("payment_method_data")
    if data:
        return payment_methods.from_data(call.act, data, "payment_method_data")
    id_ = call.text("payment_method")
    if id_ is None:
        return None
    method = payment_methods.resolve(call.act, id_, "payment_method")
    if method.private.get("detached"):
        raise StripeError("The provided PaymentMethod was detached from its customer and cannot be used again.", param="payment_method")
    if method.body["customer"] not in {None, customer}:
        message = "The provided PaymentMethod cannot be attached: it belongs to another customer, which the PaymentIntent must name."
        raise StripeError(message, param="payment_method")
    return method


def _confirm(call: Call, intent: Record, method: Record) -> None:
    off_session = bool(call.given.get("off_session"))
    why = charging.confirm(call.act, intent, method, off_session=off_session, return_url=call.text("return_url"))
    if why is None and intent.body["status"] == "requires_action" and call.given.get("error_on_requires_action"):
        why = charging.refuse(call.act, intent, method, AUTHENTICATION_REQUIRED)
    if why is not None:
        more = {"payment_intent": intent.body, "payment_method": method.body, "charge": intent.body["latest_charge"]}
        raise payment_methods.declined(why, more)


def confirm(call: Call) -> Json:
    """`POST /v1/payment_intents/{id}/confirm`."""
    intent = _ours(call, "confirm")
    method = _method(call, intent.body["customer"])
    if method is None and intent.body["payment_method"] is not None:
        method = call.act.find("payment_method", intent.body["payment_method"], "payment_method")
    if intent.body["status"] not in charging.CONFIRMABLE:
        raise _wrong_state(intent, "confirm")
    if method is None:
        message = "You cannot confirm this PaymentIntent because it's missing a payment method."
        raise unexpected_state(message, more={"payment_intent": intent.body})
    if "setup_future_usage" in call.given:
        intent.body["setup_future_usage"] = call.given["setup_future_usage"]
    _confirm(call, intent, method)
    return intent.body


def cancel(call: Call) -> Json:
    """`POST /v1/payment_intents/{id}/cancel`."""
    intent = _ours(call, "cancel")
    if intent.body["status"] not in charging.CANCELLABLE:
        raise _wrong_state(intent, "cancel")
    charging.cancel(call.act, intent, call.text("cancellation_reason"))
    return intent.body


def update(call: Call) -> Json:
    """`POST /v1/payment_intents/{id}`: what is only written on it."""
    intent = call.act.find("payment_intent", call.ids["id"], "intent", 404)
    intent.body["metadata"] = merged(intent.body["metadata"], call.given.get("metadata"))
    intent.body |= {name: call.given[name] for name in ("description", "receipt_email") if name in call.given}
    call.act.save(intent)
    return intent.body


def _ours(call: Call, act: str) -> Record:
    """The intent of the path, unless a checkout owns it."""
    intent = call.act.find("payment_intent", call.ids["id"], "intent", 404)
    if "session" in intent.private:
        message = f"You cannot {act} this PaymentIntent because it belongs to a Checkout Session. Expire the session instead."
        raise unexpected_state(message, more={"payment_intent": intent.body})
    return intent


def _wrong_state(intent: Record, act: str) -> StripeError:
    message = f"You cannot {act} this PaymentIntent because it has a status of {intent.body['status']}."
    return unexpected_state(message, more={"payment_intent": intent.body})


def retrieve(call: Call) -> Json:
    """`GET /v1/payment_intents/{id}`."""
    return call.act.find("payment_intent", call.ids["id"], "intent", 404).body


def many(call: Call) -> Json:
    """`GET /v1/payment_intents`."""
    return listing.listed(call, "payment_intent", listing.by("customer", call.text("customer")))


FUTURE = text(choices=("off_session", "on_session"))
CONFIRM = EXPAND | {
    "payment_method": text(),
    "payment_method_data": payment_methods.DATA,
    "off_session": flag,
    "return_url": url,
    "setup_future_usage": FUTURE,
    "receipt_email": email,
    "error_on_requires_action": flag,
    "use_stripe_sdk": flag,
    "mandate_data": anything,
}
CREATE = CONFIRM | {
    "amount": integer(),
    "currency": currency,
    "customer": text(),
    "confirm": flag,
    "description": text(1000),
    "metadata": metadata,
    "payment_method_types": array(text(choices=("card",))),
    "automatic_payment_methods": record({"enabled": flag, "allow_redirects": text(choices=("always", "never"))}, required=("enabled",)),
    "confirmation_method": text(choices=("automatic",)),
    "capture_method": text(choices=("automatic", "automatic_async")),
    "statement_descriptor": text(22),
    "statement_descriptor_suffix": text(22),
}
CREATE_UNSUPPORTED = (
    "amount_details",
    "application_fee_amount",
    "confirmation_token",
    "customer_account",
    "excluded_payment_method_types",
    "hooks",
    "mandate",
    "on_behalf_of",
    "payment_details",
    "payment_method_configuration",
    "payment_method_options",
    "radar_options",
    "shipping",
    "transfer_data",
    "transfer_group",
    "allowed_payment_method_types",
)
UPDATE = EXPAND | {"metadata": metadata, "description": text(1000), "receipt_email": email}

ROUTES = (
    Route("POST", "/v1/payment_intents", create, CREATE, ("amount", "currency"), CREATE_UNSUPPORTED),
    Route("GET", "/v1/payment_intents", many, PAGING | {"customer": text()}, unsupported=("customer_account",)),
    Route("GET", "/v1/payment_intents/{id}", retrieve, EXPAND | {"client_secret": text()}),
    Route(
        "POST",
        "/v1/payment_intents/{id}",
        update,
        UPDATE,
        unsupported=("amount", "currency", "customer", "payment_method", *CREATE_UNSUPPORTED),
    ),
    Route("POST", "/v1/payment_intents/{id}/confirm", confirm, CONFIRM, unsupported=CREATE_UNSUPPORTED),
    Route("POST", "/v1/payment_intents/{id}/cancel", cancel, EXPAND | {"cancellation_reason": text(choices=REASONS)}),
)
