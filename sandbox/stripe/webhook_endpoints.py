"""Webhook endpoints: who is told of which events, and the secret that signs what is sent."""

from sandbox.store import Json, Record
from sandbox.stripe import API_VERSION, listing
from sandbox.stripe.act import Act
from sandbox.stripe.metadata import merged
from sandbox.stripe.parameters import EXPAND, PAGING, array, clearable, flag, metadata, text, url
from sandbox.stripe.routing import Call, Route

EVENTS_MAX = 1000


def new(act: Act, address: str, enabled_events: list[str], *, secret: str | None = None, known: Json | None = None) -> Record:
    """Store an endpoint; without a secret it gets one. `known` are other fields of the object."""
    body: Json = {
        "id": act.new_id("we_1", 23),
        "object": "webhook_endpoint",
        "api_version": None,
        "application": None,
        "created": act.now,
        "description": None,
        "enabled_events": enabled_events,
        "livemode": False,
        "metadata": {},
        "status": "enabled",
        "url": address,
    }
    return act.add(Record(body | (known or {}), {"secret": secret or act.new_id("whsec_", 32)}))


def create(call: Call) -> Json:
    """`POST /v1/webhook_endpoints`. The answer is the only place where the secret is told."""
    known = {name: call.given[name] for name in ("api_version", "description") if name in call.given}
    known["metadata"] = merged({}, call.given.get("metadata"))
    endpoint = new(call.act, str(call.given["url"]), _events(call), known=known)
    return endpoint.body | {"secret": endpoint.private["secret"]}


def _events(call: Call) -> list[str]:
    given = call.given["enabled_events"]
    return [str(each) for each in given] if isinstance(given, list) else []


def retrieve(call: Call) -> Json:
    """`GET /v1/webhook_endpoints/{id}`."""
    return _find(call).body


def _find(call: Call) -> Record:
    return call.act.find("webhook_endpoint", call.ids["id"], "webhook_endpoint", 404)


def update(call: Call) -> Json:
    """`POST /v1/webhook_endpoints/{id}`."""
    endpoint, given = _find(call), call.given
    endpoint.body |= {name: given[name] for name in ("url", "description") if name in given}
    if "enabled_events" in given:
        endpoint.body["enabled_events"] = _events(call)
    if "disabled" in given:
        endpoint.body["status"] = "disabled" if given["disabled"] else "enabled"
    endpoint.body["metadata"] = merged(endpoint.body["metadata"], given.get("metadata"))
    call.act.save(endpoint)
    return endpoint.body


def delete(call: Call) -> Json:
    """`DELETE /v1/webhook_endpoints/{id}`."""
    endpoint = _find(call)
    endpoint.private["deleted"] = True
    endpoint.body["status"] = "disabled"
    call.act.save(endpoint)
    return {"id": endpoint.id, "object": "webhook_endpoint", "deleted": True}


def many(call: Call) -> Json:
    """`GET /v1/webhook_endpoints`."""
    return listing.listed(call, "webhook_endpoint")


WRITE = EXPAND | {
    "url": url,
    "enabled_events": array(text(), EVENTS_MAX),
    "description": clearable(text()),
    "metadata": metadata,
}

ROUTES = (
    Route(
        "POST",
        "/v1/webhook_endpoints",
        create,
        WRITE | {"api_version": text(choices=(API_VERSION,))},
        required=("enabled_events", "url"),
        unsupported=("connect",),
    ),
    Route("GET", "/v1/webhook_endpoints", many, {name: check for name, check in PAGING.items() if name != "created"}),
    Route("GET", "/v1/webhook_endpoints/{id}", retrieve),
    Route("POST", "/v1/webhook_endpoints/{id}", update, WRITE | {"disabled": flag}),
    Route("DELETE", "/v1/webhook_endpoints/{id}", delete, {}),
)
