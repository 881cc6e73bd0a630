"""Checkout sessions in payment mode: made and read by the API, paid on `checkout_page`, expired by the clock."""

from collections.abc import Mapping

from sandbox.store import Filter, Json, Record
from sandbox.stripe import charging, customers, line_items, listing, payment_intents
from sandbox.stripe.act import Act
from sandbox.stripe.cards import Decline
from sandbox.stripe.errors import StripeError, not_supported, unexpected_state
from sandbox.stripe.metadata import merged
from sandbox.stripe.parameters import (
    EXPAND,
    PAGING,
    anything,
    array,
    currency,
    email,
    flag,
    integer,
    metadata,
    record,
    switched_off,
    text,
    url,
)
from sandbox.stripe.payment_methods import BANK
from sandbox.stripe.routing import Call, Route

MINUTE = 60
DAY = 24 * 3600
ID_LENGTH = 58
"""With its prefix a session's id has 66 characters, the most that the API takes."""

REFLECTED = (
    "billing_address_collection",
    "client_reference_id",
    "locale",
    "submit_type",
    "cancel_url",
    "success_url",
    "allow_promotion_codes",
)


def create(call: Call) -> Json:
    """`POST /v1/checkout/sessions`."""
    act, given = call.act, call.given
    _check(call)
    listed = given["line_items"]
    lines = line_items.made(act, list(listed) if isinstance(listed, list) else [])
    total = sum(line["amount_total"] for line in lines)
    unit = str(lines[0]["currency"])
    if given.get("currency", unit) != unit:
        raise StripeError("The prices of the line items are not in this currency.", param="currency")
    payment_intents.check_amount(total, unit, "line_items", "The Checkout Session's total amount due")
    expires_at = _expires_at(call)
    body = _body(call, total, unit, expires_at)
    intent_data = call.record("payment_intent_data") | {"payment_method_types": body["payment_method_types"]}
    return act.add(Record(body, {"lines": lines, "intent_data": intent_data}, due_at=expires_at)).body


def _check(call: Call) -> None:
    if call.given["mode"] != "payment":
        raise not_supported(f"mode={call.given['mode']}")
    for name in ("success_url", "line_items"):
        if name not in call.given:
            raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    if "customer" in call.given:
        call.act.find("customer", call.given["customer"], "customer")
        if "customer_email" in call.given or "customer_creation" in call.given:
            raise StripeError(
                "You may only specify one of these parameters: customer, customer_email, customer_creation.", param="customer"
            )


def _expires_at(call: Call) -> int:
    given = call.given.get("expires_at")
    if not isinstance(given, int):
        return call.act.now + DAY
    if not call.act.now + 30 * MINUTE <= given <= call.act.now + DAY:
        message = "The `expires_at` timestamp must be at least 30 minutes and at most 24 hours from Checkout Session creation."
        raise StripeError(message, param="expires_at")
    return given


def _types(call: Call, unit: str) -> list[str]:
    """How one may pay: by card; in dollars also by a bank debit, unless the merchant names the ways."""
    given = call.given.get("payment_method_types")
    everything = ["card", BANK] if unit == "usd" else ["card"]
    chosen = [str(each) for each in given] if isinstance(given, list) else everything
    if BANK in chosen and unit != "usd":
        raise StripeError(f"{BANK} is only available in usd.", param="payment_method_types")
    return chosen


def _body(call: Call, total: int, unit: str, expires_at: int) -> Json:
    act, given = call.act, call.given
    id_ = act.new_id("cs_test_", ID_LENGTH)
    return {
        "id": id_,
        "object": "checkout.session",
        "adaptive_pricing": {"enabled": False},
        "after_expiration": None,
        "amount_subtotal": total,
        "amount_total": total,
        "automatic_tax": {"enabled": False, "liability": None, "provider": None, "status": None},
        "client_secret": None,
        "collected_information": None,
        "consent": None,
        "consent_collection": None,
        "created": act.now,
        "currency": unit,
        "currency_conversion": None,
        "custom_fields": [],
        "custom_text": dict.fromkeys(("after_submit", "shipping_address", "submit", "terms_of_service_acceptance")),
        "customer": given.get("customer"),
        "customer_account": None,
        "customer_creation": None if "customer" in given else given.get("customer_creation", "if_required"),
        "customer_details": _known_customer(call),
        "customer_email": given.get("customer_email"),
        "discounts": [],
        "expires_at": expires_at,
        "invoice": None,
        "invoice_creation": {"enabled": False, "invoice_data": _invoice_data()},
        "livemode": False,
        "metadata": merged({}, given.get("metadata")),
        "mode": "payment",
        "origin_context": None,
        "payment_intent": None,
        "payment_link": None,
        "payment_method_collection": "if_required",
        "payment_method_configuration_details": None,
        "payment_method_options": {"card": {"request_three_d_secure": "automatic"}},
        "payment_method_types": _types(call, unit),
        "payment_status": "unpaid",
        "permissions": None,
        "phone_number_collection": {"enabled": False},
        "recovered_from": None,
        "saved_payment_method_options": None,
        "setup_intent": None,
        "shipping_address_collection": None,
        "shipping_cost": None,
        "shipping_options": [],
        "status": "open",
        "subscription": None,
        "total_details": {"amount_discount": 0, "amount_shipping": 0, "amount_tax": 0},
        "ui_mode": "hosted_page",
        "url": f"{act.world.base_url}/c/pay/{id_}",
        "wallet_options": None,
    } | {name: given.get(name) for name in REFLECTED}


def _invoice_data() -> Json:
    empty = dict.fromkeys(("account_tax_ids", "custom_fields", "description", "footer", "issuer", "rendering_options"))
    return {**empty, "metadata": {}}


def _known_customer(call: Call) -> Json | None:
    if "customer" in call.given:
        return _details(call.act.find("customer", call.given["customer"]).body)
    known = call.text("customer_email")
    return None if known is None else _details({"email": known})


def _details(known: Mapping[str, object]) -> Json:
    copied = {name: known.get(name) for name in ("address", "email", "name", "phone")}
    return copied | {"business_name": None, "individual_name": None, "tax_exempt": known.get("tax_exempt", "none"), "tax_ids": []}


def find(act: Act, id_: str) -> Record:
    """The session of that id. Raises `resource_missing`, 404."""
    return act.find("checkout.session", id_, "session", 404)


def retrieve(call: Call) -> Json:
    """`GET /v1/checkout/sessions/{id}`."""
    return find(call.act, call.ids["id"]).body


def update(call: Call) -> Json:
    """`POST /v1/checkout/sessions/{id}`: its metadata."""
    session = find(call.act, call.ids["id"])
    session.body["metadata"] = merged(session.body["metadata"], call.given.get("metadata"))
    call.act.save(session)
    return session.body


def many(call: Call) -> Json:
    """`GET /v1/checkout/sessions`."""
    filters = [each for name in ("customer", "payment_intent", "status") for each in listing.by(name, call.text(name))]
    wanted = call.record("customer_details").get("email")
    if wanted is not None:
        filters.append(Filter("json_extract(body, '$.customer_details.email') = ?", str(wanted)))
    return listing.listed(call, "checkout.session", filters)


def lines(call: Call) -> Json:
    """`GET /v1/checkout/sessions/{id}/line_items`."""
    return listing.short(call, find(call.act, call.ids["id"]).private["lines"])


def expire_by_call(call: Call) -> Json:
    """`POST /v1/checkout/sessions/{id}/expire`."""
    session = find(call.act, call.ids["id"])
    if session.body["status"] != "open":
        message = f'Only Checkout Sessions with a status in ["open"] can be expired. This one has a status of {session.body["status"]}.'
        raise unexpected_state(message, code="checkout_session_unexpected_state")
    expire(call.act, session)
    return session.body


def expire(act: Act, session: Record) -> None:
    """Nobody can pay this session any more; what was begun to pay it is canceled."""
    session.body |= {"status": "expired", "url": None}
    session.due_at = None
    act.save(session)
    if session.body["payment_intent"] is not None:
        intent = act.find("payment_intent", session.body["payment_intent"])
        if intent.body["status"] in charging.CANCELLABLE:
            charging.cancel(act, intent, "expired")
    act.emit("checkout.session.expired", session)


def pay(act: Act, session: Record, method: Record) -> Decline | None:
    """
    Confirm the payment of an open session; the reason of a refusal. The session is complete afterwards, or still open because the
    bank refused or wants to ask the person. Its payment intent is made at the first try and used again at the next.
    """
    if session.body["payment_intent"] is None:
        intent = _new_intent(act, session)
        session.body["payment_intent"] = intent.id
        act.save(session)
    else:
        intent = act.find("payment_intent", session.body["payment_intent"])
    session.private["billing"] = method.body["billing_details"]
    act.save(session)
    why = charging.confirm(act, intent, method, return_url=session.body["success_url"])
    complete_if_paid(act, session, intent)
    return why


def _new_intent(act: Act, session: Record) -> Record:
    facts = {"amount": session.body["amount_total"], "currency": session.body["currency"], "customer": session.body["customer"]}
    return payment_intents.new(act, session.private["intent_data"] | facts, session=session.id)


def complete_if_paid(act: Act, session: Record, intent: Record) -> None:
    """Complete the session if its money has come or is on its way."""
    if intent.body["status"] not in {"succeeded", "processing"}:
        return
    known = session.body["customer_details"] or {}
    billing = {name: value for name, value in session.private["billing"].items() if name != "tax_id"}
    details = _details({**billing, **{name: value for name, value in known.items() if value is not None}})
    paid = "paid" if intent.body["status"] == "succeeded" else "unpaid"
    session.body |= {"status": "complete", "payment_status": paid, "customer_details": details, "url": None}
    session.due_at = None
    if session.body["customer_creation"] == "always" and session.body["customer"] is None:
        known_as = {name: details[name] for name in ("email", "name", "address")}
        session.body["customer"] = customers.new(act, **known_as).id
    act.save(session)
    act.emit("checkout.session.completed", session)


def end_debit(act: Act, intent: Record, *, settled: bool) -> None:
    """A bank debit that pays a session has arrived or came back."""
    charging.end_debit(act, intent, settled=settled)
    if "session" not in intent.private:
        return
    session = find(act, intent.private["session"])
    session.body["payment_status"] = "paid" if settled else "unpaid"
    act.save(session)
    act.emit(f"checkout.session.async_payment_{'succeeded' if settled else 'failed'}", session)


def _list_of(act: Act, body: Json) -> Json:
    url_ = f"/v1/checkout/sessions/{body['id']}/line_items"
    return listing.whole(url_, find(act, body["id"]).private["lines"])


INTENT_DATA = record(
    {
        "metadata": metadata,
        "description": text(1000),
        "setup_future_usage": text(choices=("off_session", "on_session")),
        "receipt_email": email,
        "statement_descriptor": text(22),
        "statement_descriptor_suffix": text(22),
        "capture_method": text(choices=("automatic", "automatic_async")),
    },
    unsupported=("application_fee_amount", "on_behalf_of", "shipping", "transfer_data", "transfer_group"),
)
CREATE = EXPAND | {
    "mode": text(choices=("payment", "setup", "subscription")),
    "line_items": line_items.LINES,
    "payment_intent_data": INTENT_DATA,
    "customer": text(),
    "customer_email": email,
    "customer_creation": text(choices=("always", "if_required")),
    "customer_update": anything,
    "client_reference_id": text(200),
    "metadata": metadata,
    "success_url": url,
    "cancel_url": url,
    "expires_at": integer(),
    "currency": currency,
    "payment_method_types": array(text(choices=("card", BANK))),
    "locale": text(20),
    "submit_type": text(choices=("auto", "book", "donate", "pay", "subscribe")),
    "billing_address_collection": text(choices=("auto", "required")),
    "allow_promotion_codes": flag,
    "ui_mode": text(choices=("hosted_page",)),
    "payment_method_collection": text(choices=("always", "if_required")),
    "payment_method_data": anything,
    "payment_method_options": anything,
    "branding_settings": anything,
    "custom_text": anything,
    "origin_context": anything,
    "integration_identifier": text(200),
    "saved_payment_method_options": anything,
    "wallet_options": anything,
    "adaptive_pricing": switched_off,
    "automatic_tax": switched_off,
    "invoice_creation": switched_off,
    "managed_payments": switched_off,
    "phone_number_collection": switched_off,
    "tax_id_collection": switched_off,
}
UNSUPPORTED = (
    "after_expiration",
    "consent_collection",
    "custom_fields",
    "customer_account",
    "discounts",
    "excluded_payment_method_types",
    "name_collection",
    "optional_items",
    "payment_method_configuration",
    "permissions",
    "redirect_on_completion",
    "return_url",
    "setup_intent_data",
    "shipping_address_collection",
    "shipping_options",
    "subscription_data",
)
MANY = PAGING | {
    "customer": text(),
    "payment_intent": text(),
    "status": text(choices=("open", "complete", "expired")),
    "customer_details": record({"email": text()}, required=("email",)),
}

ROUTES = (
    Route("POST", "/v1/checkout/sessions", create, CREATE, ("mode",), UNSUPPORTED),
    Route("GET", "/v1/checkout/sessions", many, MANY, unsupported=("subscription", "payment_link", "customer_account")),
    Route("GET", "/v1/checkout/sessions/{id}", retrieve),
    Route(
        "POST",
        "/v1/checkout/sessions/{id}",
        update,
        EXPAND | {"metadata": metadata},
        unsupported=("collected_information", "shipping_options"),
    ),
    Route("GET", "/v1/checkout/sessions/{id}/line_items", lines, {name: check for name, check in PAGING.items() if name != "created"}),
    Route("POST", "/v1/checkout/sessions/{id}/expire", expire_by_call),
)

INCLUDED = {
    ("checkout.session", "line_items"): _list_of,
    ("checkout.session.total_details", "breakdown"): lambda _act, _body: {"discounts": [], "taxes": []},
    ("item", "discounts"): lambda _act, _body: [],
    ("item", "taxes"): lambda _act, _body: [],
}

DUE = {"checkout.session": expire}
