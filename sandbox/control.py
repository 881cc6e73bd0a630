"""The control surface over HTTP, `/_sandbox/…`: the same acts as `Sandbox` has in Python. It needs no key and answers this machine only."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING
from urllib.parse import parse_qs

from sandbox.exchange import Answer, Request, json_answer, redirect
from sandbox.faults import BadKnob
from sandbox.store import Json

if TYPE_CHECKING:
    from sandbox.running import Sandbox

DRAIN_SECONDS = 30


class BadRequest(Exception):
    """A request to the control surface that it does not understand."""


def answer(sandbox: "Sandbox", request: Request) -> Answer:
    """What a control request gets: JSON, or 400 and 404 with `{"error": …}`."""
    parts = request.path.removeprefix("/_sandbox/").split("/")
    try:
        return _debit_form(sandbox, parts, request) or json_answer(200, _act(sandbox, request.method, parts, _given(request)))
    except (BadRequest, BadKnob) as error:
        return json_answer(400, {"error": str(error)})
    except KeyError as error:
        return json_answer(404, {"error": f"nothing of the name {error}"})


def _given(request: Request) -> Json:
    if not request.body:
        return {}
    try:
        given = json.loads(request.body)
    except ValueError as error:
        raise BadRequest("send JSON") from error
    if not isinstance(given, dict):
        raise BadRequest("send a JSON object")
    return given


def _act(sandbox: "Sandbox", method: str, parts: list[str], given: Json) -> object:
    places: Mapping[str, Callable[[Sandbox, str, list[str], Json], object]] = {
        "health": lambda *_: {"status": "ok"},
        "clock": _clock,
        "faults": _faults,
        "webhooks": _webhooks,
        "deliveries": lambda *_: _deliveries(sandbox),
        "events": _events,
        "objects": _objects,
        "debits": _debits,
    }
    if parts[0] not in places:
        raise KeyError(parts[0])
    return places[parts[0]](sandbox, method, parts[1:], given)


def _clock(sandbox: "Sandbox", method: str, _: list[str], given: Json) -> object:
    if method == "POST":
        if len(given) != 1 or not set(given) <= {"advance", "set"} or not all(type(value) is int for value in given.values()):
            raise BadRequest('send {"advance": seconds} or {"set": seconds since 1970}')
        if "advance" in given:
            sandbox.advance(given["advance"])
        else:
            sandbox.set_time(given["set"])
    return {"now": sandbox.now()}


def _faults(sandbox: "Sandbox", method: str, _: list[str], given: Json) -> object:
    if method == "PUT":
        sandbox.faults.put(given)
    elif method == "DELETE":
        sandbox.clear_faults()
    return sandbox.faults.shown()


def _webhooks(sandbox: "Sandbox", method: str, parts: list[str], given: Json) -> object:
    match method, parts:
        case "POST", ["hold"]:
            sandbox.hold()
            return {"holding": True}
        case "GET", ["held"]:
            return {"held": sandbox.held()}
        case "POST", ["release"]:
            return {"attempts": [asdict(each) for each in sandbox.release(_order(given))]}
        case "POST", ["retry"]:
            sandbox.retry()
            return {"retrying": True}
        case "POST", ["drain"]:
            return {"drained": sandbox.drain(DRAIN_SECONDS)}
    raise KeyError("/".join(parts))


def _order(given: Json) -> list[str] | None:
    order = given.get("order")
    if order is not None and not (isinstance(order, list) and all(isinstance(each, str) for each in order)):
        raise BadRequest('order is a list of event ids: {"order": ["evt_…", …]}')
    return order


def _deliveries(sandbox: "Sandbox") -> object:
    return {"deliveries": [asdict(each) for each in sandbox.deliveries()], "attempts": [asdict(each) for each in sandbox.attempts()]}


def _events(sandbox: "Sandbox", method: str, parts: list[str], _: Json) -> object:
    match method, parts:
        case "POST", [event, "resend"]:
            sandbox.resend(event)
            return {"resent": event}
    raise KeyError("/".join(parts))


def _objects(sandbox: "Sandbox", method: str, parts: list[str], given: Json) -> object:
    match method, parts:
        case "GET", [id_]:
            return sandbox.stored(id_)
        case "PATCH", [id_]:
            return sandbox.tamper(id_, **given)
    raise KeyError("/".join(parts))


def _debits(sandbox: "Sandbox", method: str, parts: list[str], given: Json) -> object:
    match method, parts, given:
        case "POST", [id_], {"outcome": "settle" | "fail" as outcome}:
            return sandbox.end_debit(id_, settled=outcome == "settle")
    raise BadRequest('POST {"outcome": "settle"} or {"outcome": "fail"}')


def _debit_form(sandbox: "Sandbox", parts: list[str], request: Request) -> Answer | None:
    """The buttons of the index page send a form, and lead back to it."""
    if parts[0] != "debits" or not request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        return None
    outcome = parse_qs(request.body.decode(errors="replace")).get("outcome", [""])[0]
    _debits(sandbox, request.method, parts[1:], {"outcome": outcome})
    return redirect("/")
