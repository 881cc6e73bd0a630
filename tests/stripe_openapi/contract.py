"""
Holds requests, answers and events against Stripe's own OpenAPI document of the pinned version (see `prune.py`).

It is strict where generated clients are lenient: an unknown parameter, a key in an answer that Stripe does not have, a missing one, a
wrong type, a value outside of an enumeration and a null where none may be are all broken contracts.

    check_request("POST", "/v1/customers", {"email": "a@example.com"})     # also a decoded form, where everything is a string
    check_response("POST", "/v1/customers", body)                          # status=402 for errors
    check_event(event)                                                     # and the object in it
    check_all(stripe)                                                      # everything that a sandbox with record=True has seen
"""

import gzip
import json
import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]
from referencing import Registry
from referencing.jsonschema import DRAFT202012

from sandbox import Sandbox
from sandbox.forms import in_order

DOCUMENT = Path(__file__).with_name("stripe-2026-08-26.json.gz")
FORM = "application/x-www-form-urlencoded"
PREFIX = "#/components/schemas/"
FORMATS = {"currency": r"^[a-z]{3}$", "decimal": r"^-?[0-9]+(\.[0-9]+)?$"}
NULL = {"type": "null"}


class BrokenContract(AssertionError):
    """What Stripe's document does not allow, where, and in which document."""


@cache
def document() -> dict[str, Any]:
    """The pruned document as Stripe wrote it."""
    loaded: dict[str, Any] = json.loads(gzip.decompress(DOCUMENT.read_bytes()))
    return loaded


@cache
def _registry() -> Registry[Any]:
    schemas = {name: _closed(schema) for name, schema in document()["components"]["schemas"].items()}
    contents = {"components": {"schemas": schemas}}
    empty: Registry[Any] = Registry()
    filled: Registry[Any] = empty.with_resource("stripe:", DRAFT202012.create_resource(contents))
    return filled


def _closed(schema: Any) -> Any:
    """A schema of OpenAPI 3.0 as JSON Schema: null said as a type, and objects without keys of their own invention."""
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return {"$ref": f"stripe:{schema['$ref']}"}
    made = {key: value for key, value in schema.items() if key in {"type", "enum", "maxLength", "pattern", "required"}}
    if "properties" in schema:
        made["properties"] = {name: _closed(value) for name, value in schema["properties"].items()}
    if "properties" in schema or "additionalProperties" in schema:
        made["additionalProperties"] = _closed(schema.get("additionalProperties", False))
    if "items" in schema:
        made["items"] = _closed(schema["items"])
    if "anyOf" in schema:
        made["anyOf"] = [_closed(each) for each in schema["anyOf"]]
    if schema.get("format") in FORMATS and schema.get("type") == "string":
        made["pattern"] = FORMATS[schema["format"]]
    return {"anyOf": [made, NULL]} if schema.get("nullable") else made


def _validator(schema: Any) -> Draft202012Validator:
    return Draft202012Validator(schema, registry=_registry())


def _check(schema: Any, value: object, what: str) -> None:
    error = best_match(_validator(schema).iter_errors(value))
    if error is not None:
        raise BrokenContract(f"{what}: {error.json_path}: {error.message[:500]}")


@cache
def _templates() -> list[tuple[re.Pattern[str], str]]:
    """Every path of the document as an expression; those with fewer ids first, for `/v1/invoices/upcoming` is no id."""
    paths = sorted(document()["paths"], key=lambda path: path.count("{"))
    return [(re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), path) for path in paths]


def _operation(method: str, path: str) -> dict[str, Any]:
    for pattern, template in _templates():
        found: dict[str, Any] | None = document()["paths"][template].get(method.lower())
        if found is not None and pattern.fullmatch(path):
            return found
    raise BrokenContract(f"{method} {path}: Stripe has no such endpoint, or the pruned document leaves it out")


def check_response(method: str, path: str, body: object, status: int = 200) -> None:
    """Raises BrokenContract unless Stripe may answer this."""
    responses = _operation(method, path)["responses"]
    chosen = responses.get(str(status), responses["default"])
    _check(_closed(chosen["content"]["application/json"]["schema"]), body, f"answer {status} to {method} {path}")


def check_request(method: str, path: str, form: Mapping[str, object]) -> None:
    """Raises BrokenContract unless Stripe takes these parameters. Values may be typed, or strings as a form has them."""
    operation = _operation(method, path)
    schema = _query(operation) if method in {"GET", "DELETE"} else operation["requestBody"]["content"][FORM]["schema"]
    _check(_closed(schema), typed(schema, form), f"request {method} {path}")


def _query(operation: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [each for each in operation["parameters"] if each["in"] == "query"]
    body = operation["requestBody"]["content"][FORM]["schema"]
    return {
        "type": "object",
        "properties": body.get("properties", {}) | {each["name"]: each["schema"] for each in parameters},
        "required": [each["name"] for each in parameters if each.get("required")],
        "additionalProperties": False,
    }


def typed(schema: Mapping[str, Any], value: object) -> object:
    """A decoded form's value as its schema would have it, where it can be read so: `"5"` as 5, indexes as a list."""
    if "anyOf" in schema:
        readings = [(typed(each, value), each) for each in schema["anyOf"]]
        return next((reading for reading, each in readings if _validator(_closed(each)).is_valid(reading)), readings[0][0])
    match schema.get("type"), value:
        case (("integer" | "number"), str()) if re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
            return float(value) if "." in value else int(value)
        case "boolean", "true" | "false":
            return value == "true"
        case "array", dict() | list():
            members = in_order(value)
            return value if members is None else [typed(schema["items"], each) for each in members]
        case "object", dict():
            known, others = schema.get("properties", {}), schema.get("additionalProperties")
            rest = others if isinstance(others, dict) else {}
            return {name: typed(known.get(name, rest), each) for name, each in value.items()}
        case _:
            return value


def check_object(body: Mapping[str, Any]) -> None:
    """Raises BrokenContract unless Stripe has such an object, by the name in its `object`."""
    name = body.get("object")
    if name not in document()["components"]["schemas"]:
        raise BrokenContract(f"Stripe has no object {name}")
    _check({"$ref": f"stripe:{PREFIX}{name}"}, body, str(name))


@cache
def event_types() -> frozenset[str]:
    """Every type of event that one can subscribe to."""
    form = document()["paths"]["/v1/webhook_endpoints"]["post"]["requestBody"]["content"][FORM]["schema"]
    return frozenset(form["properties"]["enabled_events"]["items"]["enum"]) - {"*"}


def check_event(event: Mapping[str, Any]) -> None:
    """Raises BrokenContract unless Stripe sends such events: the envelope, the type, the object inside, and what was different before."""
    check_object(event)
    if event["type"] not in event_types():
        raise BrokenContract(f"Stripe has no events of type {event['type']}")
    inside = event["data"]["object"]
    check_object(inside)
    unknown = set(event["data"].get("previous_attributes", {})) - set(document()["components"]["schemas"][inside["object"]]["properties"])
    if unknown:
        raise BrokenContract(f"{event['type']}: previous_attributes: {sorted(unknown)} are no fields of {inside['object']}")


def check_all(stripe: Sandbox) -> None:
    """Everything that a sandbox has answered and sent; it must have been started with `record=True`."""
    assert stripe.exchanges, "no request was recorded"
    for each in stripe.exchanges:
        if each.status < 400:
            check_request(each.method, each.path, each.parameters)
        check_response(each.method, each.path, each.body, each.status)
    for event in stripe.events():
        check_event(event)
