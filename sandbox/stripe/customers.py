"""Customers."""

from sandbox.store import Filter, Json, Record
from sandbox.stripe import listing, payment_methods
from sandbox.stripe.act import Act
from sandbox.stripe.errors import StripeError
from sandbox.stripe.metadata import merged
from sandbox.stripe.parameters import ADDRESS, EXPAND, PAGING, anything, array, clearable, email, integer, metadata, record, text
from sandbox.stripe.routing import Call, Route

PLAIN = ("name", "email", "description", "phone", "address", "shipping", "preferred_locales", "tax_exempt", "balance")
INVOICES = record(
    {"default_payment_method": clearable(text()), "custom_fields": anything, "footer": clearable(text())},
    unsupported=("rendering_options",),
)
SHIPPING = record({"address": ADDRESS, "name": text(), "phone": clearable(text(20))}, required=("address", "name"))
WRITE = EXPAND | {
    "name": clearable(text(256)),
    "email": clearable(email),
    "description": clearable(text()),
    "phone": clearable(text(20)),
    "address": clearable(ADDRESS),
    "shipping": clearable(SHIPPING),
    "preferred_locales": array(text()),
    "tax_exempt": clearable(text(choices=("none", "exempt", "reverse"))),
    "balance": integer(),
    "metadata": metadata,
    "invoice_settings": INVOICES,
}
UNSUPPORTED = ("source", "test_clock", "tax", "tax_id_data", "cash_balance", "invoice_prefix", "next_invoice_sequence", "default_source")


def new(act: Act, **known: object) -> Record:
    """Store a customer and say so; `known` are fields of the object."""
    body: Json = {
        "id": act.new_id("cus_", 14),
        "object": "customer",
        "address": None,
        "balance": 0,
        "created": act.now,
        "currency": None,
        "customer_account": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": None,
        "invoice_prefix": act.new_id("", 8).upper(),
        "invoice_settings": {"custom_fields": None, "default_payment_method": None, "footer": None, "rendering_options": None},
        "livemode": False,
        "metadata": {},
        "name": None,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }
    customer = act.add(Record(body | known))
    act.emit("customer.created", customer)
    return customer


def create(call: Call) -> Json:
    """`POST /v1/customers`."""
    customer = new(call.act, **_plain(call), metadata=merged({}, call.given.get("metadata")))
    if "payment_method" in call.given:
        method = payment_methods.resolve(call.act, str(call.given["payment_method"]), "payment_method")
        payment_methods.attach(call.act, method, customer.id)
    _set_invoices(call, customer)
    call.act.save(customer)
    return customer.body


def _plain(call: Call) -> Json:
    return {name: _full(name, call.given[name]) for name in PLAIN if name in call.given}


def _full(name: str, value: object) -> object:
    if name == "address" and isinstance(value, dict):
        return payment_methods.EMPTY_ADDRESS | value
    if name == "shipping" and isinstance(value, dict):
        return value | {"address": payment_methods.EMPTY_ADDRESS | value["address"]}
    if name == "tax_exempt":
        return value or "none"
    return value


def _set_invoices(call: Call, customer: Record) -> None:
    given = call.record("invoice_settings")
    default = given.get("default_payment_method")
    if default is not None:
        method = call.act.find("payment_method", default, "invoice_settings[default_payment_method]")
        if method.body["customer"] != customer.id:
            message = "The customer does not have a payment method with this ID. The payment method must be attached to the customer."
            raise StripeError(message, code="resource_missing", param="invoice_settings[default_payment_method]")
    taken = {name: given[name] for name in ("default_payment_method", "footer") if name in given}
    customer.body["invoice_settings"] = customer.body["invoice_settings"] | taken


def retrieve(call: Call) -> Json:
    """`GET /v1/customers/{id}`: one that was deleted says so."""
    record = call.act.world.store.get(call.ids["id"])
    if record is not None and record.kind == "customer" and record.private.get("deleted"):
        return {"id": record.id, "object": "customer", "deleted": True}
    return call.act.find("customer", call.ids["id"], "id", 404).body


def update(call: Call) -> Json:
    """`POST /v1/customers/{id}`."""
    customer = call.act.find("customer", call.ids["id"], "id", 404)
    before = dict(customer.body)
    customer.body |= _plain(call)
    customer.body["metadata"] = merged(customer.body["metadata"], call.given.get("metadata"))
    _set_invoices(call, customer)
    call.act.change("customer.updated", customer, before)
    return customer.body


def delete(call: Call) -> Json:
    """`DELETE /v1/customers/{id}`: its payment methods are detached; what it paid stays."""
    customer = call.act.find("customer", call.ids["id"], "id", 404)
    mine = Filter("json_extract(body, '$.customer') = ?", customer.id)
    for method in call.act.world.store.newest("payment_method", [mine], limit=1000):
        payment_methods.release(call.act, method)
    customer.private["deleted"] = True
    call.act.save(customer)
    call.act.emit("customer.deleted", customer)
    return {"id": customer.id, "object": "customer", "deleted": True}


def many(call: Call) -> Json:
    """`GET /v1/customers`."""
    return listing.listed(call, "customer", listing.by("email", call.text("email")))


ROUTES = (
    Route("POST", "/v1/customers", create, WRITE | {"payment_method": text()}, unsupported=UNSUPPORTED),
    Route("GET", "/v1/customers", many, PAGING | {"email": text(512)}, unsupported=("test_clock",)),
    Route("GET", "/v1/customers/{id}", retrieve),
    Route("POST", "/v1/customers/{id}", update, WRITE, unsupported=UNSUPPORTED),
    Route("DELETE", "/v1/customers/{id}", delete, {}),
)

INCLUDED = {
    ("customer", "sources"): lambda _, body: listing.whole(f"/v1/customers/{body['id']}/sources"),
    ("customer", "subscriptions"): lambda _, body: listing.whole(f"/v1/customers/{body['id']}/subscriptions"),
    ("customer", "tax_ids"): lambda _, body: listing.whole(f"/v1/customers/{body['id']}/tax_ids"),
}
