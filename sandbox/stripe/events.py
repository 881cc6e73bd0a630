"""Events, as the API lists them: thirty days back."""

from sandbox.store import Filter, Json
from sandbox.stripe import listing
from sandbox.stripe.errors import StripeError, missing
from sandbox.stripe.parameters import PAGING, array, flag, text
from sandbox.stripe.routing import Call, Route

KEPT_SECONDS = 30 * 24 * 3600
TYPES_MAX = 20


def retrieve(call: Call) -> Json:
    """`GET /v1/events/{id}`."""
    event = call.act.find("event", call.ids["id"], "id", 404)
    if event.body["created"] < call.act.now - KEPT_SECONDS:
        raise missing("event", event.id, "id")
    return event.body


def many(call: Call) -> Json:
    """`GET /v1/events`."""
    types = call.given.get("types")
    if types is not None and "type" in call.given:
        raise StripeError("You may pass either `type` or `types`, but not both.", param="types")
    filters = [Filter("created >= ?", call.act.now - KEPT_SECONDS)]
    if "type" in call.given:
        filters.append(Filter("json_extract(body, '$.type') GLOB ?", call.text("type")))
    if isinstance(types, list):
        filters.append(Filter("instr(?, ' ' || json_extract(body, '$.type') || ' ') > 0", f" {' '.join(str(each) for each in types)} "))
    if "delivery_success" in call.given:
        filters.append(Filter("(json_extract(body, '$.pending_webhooks') = 0) = ?", bool(call.given["delivery_success"])))
    return listing.listed(call, "event", filters)


MANY = PAGING | {"type": text(), "types": array(text(), TYPES_MAX), "delivery_success": flag}

ROUTES = (
    Route("GET", "/v1/events", many, MANY),
    Route("GET", "/v1/events/{id}", retrieve),
)
