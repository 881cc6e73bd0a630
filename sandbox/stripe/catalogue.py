"""Products and prices, also those that a checkout makes on the way."""

from collections.abc import Mapping

from sandbox.store import Json, Record
from sandbox.stripe import listing
from sandbox.stripe.act import Act
from sandbox.stripe.errors import StripeError
from sandbox.stripe.metadata import merged
from sandbox.stripe.parameters import EXPAND, PAGING, array, currency, flag, integer, metadata, record, text, url
from sandbox.stripe.routing import Call, Route

PRODUCT_DATA = record(
    {
        "name": text(),
        "description": text(40_000),
        "images": array(url, 8),
        "metadata": metadata,
        "unit_label": text(12),
        "tax_code": text(),
    },
    required=("name",),
)
PRICE_DATA = record(
    {
        "currency": currency,
        "product": text(),
        "product_data": PRODUCT_DATA,
        "unit_amount": integer(0, 999_999_999_999),
        "tax_behavior": text(choices=("exclusive", "inclusive", "unspecified")),
    },
    required=("currency",),
    unsupported=("unit_amount_decimal", "recurring"),
)


def new_product(act: Act, data: Mapping[str, object], *, active: bool = True) -> Record:
    """Store a product; `data` are the parameters of its creation."""
    body: Json = {
        "id": data.get("id") or act.new_id("prod_", 14),
        "object": "product",
        "active": data.get("active", active),
        "created": act.now,
        "default_price": None,
        "description": data.get("description"),
        "images": data.get("images", []),
        "livemode": False,
        "marketing_features": [],
        "metadata": merged({}, data.get("metadata")),
        "name": data["name"],
        "package_dimensions": None,
        "shippable": None,
        "statement_descriptor": None,
        "tax_code": data.get("tax_code"),
        "unit_label": data.get("unit_label"),
        "updated": act.now,
        "url": None,
    }
    product = act.add(Record(body))
    act.emit("product.created", product)
    return product


def new_price(act: Act, data: Mapping[str, object], param: str = "", *, active: bool = True) -> Record:
    """Store a one-time price; `data` are the parameters of its creation. A price made on the way (not `active`) is used once."""
    product = _product_of(act, data, param, active=active)
    if "unit_amount" not in data:
        name = f"{param}[unit_amount]" if param else "unit_amount"
        raise StripeError(f"Missing required param: {name}.", code="parameter_missing", param=name)
    amount = data["unit_amount"]
    body: Json = {
        "id": act.new_id("price_1", 23),
        "object": "price",
        "active": data.get("active", active),
        "billing_scheme": "per_unit",
        "created": act.now,
        "currency": data["currency"],
        "custom_unit_amount": None,
        "livemode": False,
        "lookup_key": data.get("lookup_key"),
        "metadata": merged({}, data.get("metadata")),
        "nickname": data.get("nickname"),
        "product": product.id,
        "recurring": None,
        "tax_behavior": data.get("tax_behavior", "unspecified"),
        "tiers_mode": None,
        "transform_quantity": None,
        "type": "one_time",
        "unit_amount": amount,
        "unit_amount_decimal": str(amount),
    }
    price = act.add(Record(body))
    act.emit("price.created", price)
    return price


def _product_of(act: Act, data: Mapping[str, object], param: str, *, active: bool) -> Record:
    inner = data.get("product_data")
    if ("product" in data) == isinstance(inner, Mapping):
        message = "You must specify exactly one of `product` and `product_data`."
        raise StripeError(message, param=f"{param}[product]" if param else "product")
    if isinstance(inner, Mapping):
        return new_product(act, inner, active=active)
    return act.find("product", data["product"], f"{param}[product]" if param else "product")


def create_product(call: Call) -> Json:
    """`POST /v1/products`."""
    id_ = call.text("id")
    if id_ is not None and call.act.world.store.get(id_) is not None:
        raise StripeError("Product already exists.", code="resource_already_exists", param="id")
    return new_product(call.act, call.given).body


def retrieve_product(call: Call) -> Json:
    """`GET /v1/products/{id}`."""
    return call.act.find("product", call.ids["id"], "id", 404).body


def features(call: Call) -> Json:
    """`GET /v1/products/{id}/features`: none."""
    call.act.find("product", call.ids["id"], "id", 404)
    return listing.whole(call.path)


def products(call: Call) -> Json:
    """`GET /v1/products`."""
    return listing.listed(call, "product")


def create_price(call: Call) -> Json:
    """`POST /v1/prices`."""
    return new_price(call.act, call.given).body


def retrieve_price(call: Call) -> Json:
    """`GET /v1/prices/{id}`."""
    return call.act.find("price", call.ids["id"], "price", 404).body


def prices(call: Call) -> Json:
    """`GET /v1/prices`."""
    filters = [*listing.by("product", call.text("product")), *listing.by("currency", call.text("currency"))]
    return listing.listed(call, "price", filters)


def _currency_options(_: Act, price: Json) -> Json:
    names = ("custom_unit_amount", "tax_behavior", "unit_amount", "unit_amount_decimal")
    return {price["currency"]: {name: price[name] for name in names}}


PRODUCT = EXPAND | {
    "id": text(),
    "name": text(),
    "active": flag,
    "description": text(40_000),
    "images": array(url, 8),
    "metadata": metadata,
    "unit_label": text(12),
    "tax_code": text(),
}
PRICE = EXPAND | {
    "currency": currency,
    "product": text(),
    "product_data": record({"name": text(), "metadata": metadata, "unit_label": text(12), "tax_code": text()}, required=("name",)),
    "unit_amount": integer(0, 999_999_999_999),
    "active": flag,
    "nickname": text(),
    "lookup_key": text(200),
    "metadata": metadata,
    "tax_behavior": text(choices=("exclusive", "inclusive", "unspecified")),
}
PRICE_UNSUPPORTED = ("recurring", "tiers", "tiers_mode", "billing_scheme", "custom_unit_amount", "currency_options", "unit_amount_decimal")

ROUTES = (
    Route("POST", "/v1/products", create_product, PRODUCT, required=("name",), unsupported=("default_price_data", "shippable", "url")),
    Route("GET", "/v1/products", products, PAGING, unsupported=("active", "ids", "shippable", "url", "type")),
    Route("GET", "/v1/products/{id}", retrieve_product),
    Route("GET", "/v1/products/{id}/features", features, PAGING),
    Route("POST", "/v1/prices", create_price, PRICE, required=("currency",), unsupported=PRICE_UNSUPPORTED),
    Route(
        "GET",
        "/v1/prices",
        prices,
        PAGING | {"product": text(), "currency": currency},
        unsupported=("active", "lookup_keys", "recurring", "type"),
    ),
    Route("GET", "/v1/prices/{id}", retrieve_price),
)

INCLUDED = {
    ("price", "currency_options"): _currency_options,
    # A price without tiers shows none, and asking for them is no mistake.
    ("price", "tiers"): lambda _act, _price: None,
}
