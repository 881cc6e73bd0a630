"""What a checkout sells: lines of a price and a quantity."""

from collections.abc import Mapping

from sandbox.money import LARGEST
from sandbox.store import Json
from sandbox.stripe import catalogue
from sandbox.stripe.act import Act
from sandbox.stripe.errors import StripeError
from sandbox.stripe.parameters import anything, array, integer, metadata, record, text

MOST = 100
LINES = array(
    record(
        {
            "price": text(),
            "price_data": catalogue.PRICE_DATA,
            "quantity": integer(1, 999_999),
            "adjustable_quantity": anything,
            "metadata": metadata,
        },
        unsupported=("tax_rates",),
    ),
    MOST,
)


def made(act: Act, given: list[Json]) -> list[Json]:
    """The lines of a new session, each with its price, all in one currency. A price or product described on the way is stored."""
    if not given:
        raise StripeError("You must provide line_items.", code="parameter_missing", param="line_items")
    lines = [_line(act, line, f"line_items[{index}]") for index, line in enumerate(given)]
    if len({line["currency"] for line in lines}) > 1:
        raise StripeError("All prices on a Checkout Session must have the same currency.", param="line_items")
    return lines


def _line(act: Act, given: Json, param: str) -> Json:
    if "adjustable_quantity" in given and given["adjustable_quantity"].get("enabled") != "false":
        raise StripeError("The sandbox does not support adjustable quantities.", param=f"{param}[adjustable_quantity]")
    if "quantity" not in given:
        raise StripeError(f"Quantity is required. Add `quantity` to `{param}`", code="parameter_missing", param=f"{param}[quantity]")
    price = _price(act, given, param)
    product = act.find("product", price["product"])
    amount = price["unit_amount"] * given["quantity"]
    if amount > LARGEST:
        raise StripeError("The amount of a line is too large.", code="amount_too_large", param=param)
    return {
        "id": act.new_id("li_1", 23),
        "object": "item",
        "adjustable_quantity": None,
        "amount_discount": 0,
        "amount_subtotal": amount,
        "amount_tax": 0,
        "amount_total": amount,
        "currency": price["currency"],
        "description": product.body["name"],
        "metadata": given.get("metadata", {}),
        "price": price,
        "quantity": given["quantity"],
    }


def _price(act: Act, given: Mapping[str, object], param: str) -> Json:
    data = given.get("price_data")
    if ("price" in given) == isinstance(data, Mapping):
        raise StripeError(f"You must specify exactly one of `price` and `price_data` for `{param}`.", param=param)
    if isinstance(data, Mapping):
        return catalogue.new_price(act, data, f"{param}[price_data]", active=False).body
    price = act.find("price", given["price"], f"{param}[price]").body
    if not price["active"]:
        raise StripeError("The price specified is inactive. This field only accepts active prices.", param=f"{param}[price]")
    return price
