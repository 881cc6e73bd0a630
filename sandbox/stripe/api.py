"""One request to `/v1`: the key, the version, the parameters, the idempotency key, the faults, the work, the answer."""

import base64
import binascii
import json
import re
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from sandbox.exchange import Answer, Exchange, Request
from sandbox.faults import ApiFault, Faults
from sandbox.forms import BadForm, Tree, decode
from sandbox.store import Json
from sandbox.stripe import API_VERSION, idempotency
from sandbox.stripe.act import Act, World, acting
from sandbox.stripe.errors import StripeError
from sandbox.stripe.expansion import expanded
from sandbox.stripe.parameters import checked
from sandbox.stripe.routes import INCLUDED, ROUTES
from sandbox.stripe.routing import Call, Route, find

FORM = "application/x-www-form-urlencoded"
SENT_NUMBER = re.compile(r"[0-9]{12,19}")


@dataclass(frozen=True)
class Work:
    """A request that is known, and under what names its work is done."""

    request: Request
    route: Route
    ids: Mapping[str, str]
    parameters: Tree
    request_id: str
    key: str | None
    burst: str


@dataclass
class Api:
    """Answers requests. `on_exchange` is told of each, with card numbers blotted out; `stopping` ends every sleep."""

    world: World
    faults: Faults
    stopping: threading.Event
    on_exchange: Callable[[Exchange], None] | None = None
    keys: idempotency.KeysInUse = field(default_factory=idempotency.KeysInUse)

    def answer(self, request: Request) -> Answer:
        """What Stripe would say, with the headers it would say it with."""
        request_id = self.world.ids.new("req_", 14)
        parameters: Tree = {}
        try:
            self._authenticate(request)
            route, ids = _route(request)
            parameters = _decoded(request)
            work = Work(request, route, ids, parameters, request_id, _idempotency_key(request), self.world.ids.new("burst_"))
            with self.keys.using(work.key):
                answer = self._in_turn(work)
        except StripeError as error:
            answer = _answer(error.status, error.body())
        answer = replace(answer, headers={"Request-Id": request_id, "Stripe-Version": API_VERSION, **answer.headers})
        self._tell(request, parameters, answer)
        return answer

    def _authenticate(self, request: Request) -> None:
        if not secrets.compare_digest(_key_of(request), self.world.api_key.encode()):
            raise StripeError("Invalid API Key provided.", status=401)
        version = request.headers.get("stripe-version", API_VERSION)
        if version != API_VERSION:
            raise StripeError(f"The sandbox serves API version {API_VERSION} only, and was asked for {version}.")

    def _in_turn(self, work: Work) -> Answer:
        """Wait, work and wait, as the knobs say. Webhooks go out after the answer, or meanwhile if that is late or never comes."""
        fault = self.faults.take_api(work.request.method, work.request.path) or ApiFault()
        self.stopping.wait(fault.delay_before)
        if fault.status is not None:
            return _injected(fault.status)
        with self._gate(work.burst, open_at_once=bool(fault.delay_after) or fault.hang_up) as opened:
            answer = self._perform(work)
        self.stopping.wait(fault.delay_after)
        return replace(answer, silent=fault.hang_up, then=opened)

    @contextmanager
    def _gate(self, burst: str, *, open_at_once: bool) -> Iterator[Callable[[], None]]:
        """Hold an act's webhooks back; they go when the work is done, or else when what this yields is called. And if it fails."""
        sender = self.world.sender

        def go() -> None:
            if sender is not None:
                sender.answered(burst)

        if sender is not None:
            sender.wait_for_answer(burst)
        try:
            yield go
        except BaseException:
            go()
            raise
        if open_at_once:
            go()

    def _perform(self, work: Work) -> Answer:
        """The work and the keeping of its answer, in one act."""
        store, key, path = self.world.store, work.key, work.request.path
        digested = idempotency.digest(self.world.api_key, f"{work.request.method} {path}", work.parameters)
        with acting(self.world, request_id=work.request_id, key=key, burst=work.burst) as act:
            kept = idempotency.look_up(store, key, path, digested, act.now) if key else None
            if kept is not None:
                return Answer(kept.status, kept.body, headers={"idempotent-replayed": "true"})
            try:
                answer = _answer(200, _body(act, work))
            except StripeError as error:
                if not error.executed:
                    raise
                answer = _answer(error.status, error.body())
            if key:
                idempotency.keep(store, key, path, digested, now=act.now, answer=idempotency.Kept(answer.status, answer.body))
        return answer

    def _tell(self, request: Request, parameters: Tree, answer: Answer) -> None:
        if self.on_exchange is not None:
            blotted = json.loads(SENT_NUMBER.sub("[number]", json.dumps(parameters)))
            self.on_exchange(Exchange(request.method, request.path, blotted, answer.status, json.loads(answer.body)))


def _body(act: Act, work: Work) -> Json:
    route = work.route
    given = checked(work.parameters, route.takes, required=route.required, unsupported=route.unsupported)
    body = route.answer(Call(act, work.request.path, work.ids, given))
    paths = given.get("expand")
    return expanded(act, body, [str(each) for each in paths], INCLUDED) if isinstance(paths, list) else body


def _answer(status: int, body: Json) -> Answer:
    return Answer(status, json.dumps(body, indent=2).encode())


def _injected(status: int) -> Answer:
    """A fault's answer. Nothing was done, and nothing is kept under the key."""
    if status == 429:  # noqa: PLR2004  Too many requests.
        return _answer(status, StripeError("Request rate limit exceeded.", code="rate_limit").body())
    return _answer(status, StripeError("An unknown error occurred.", kind="api_error").body())


def _route(request: Request) -> tuple[Route, Mapping[str, str]]:
    found = find(ROUTES, request.method, request.path)
    if found is None:
        raise StripeError(f"Unrecognized request URL ({request.method}: {request.path}).", status=404)
    return found


def _key_of(request: Request) -> bytes:
    scheme, _, value = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[0]
        except (ValueError, binascii.Error):
            return b""
    return value.encode() if scheme.lower() == "bearer" else b""


def _decoded(request: Request) -> Tree:
    kind = request.headers.get("content-type", FORM).partition(";")[0].strip()
    if request.body and kind != FORM:
        raise StripeError(f"Invalid request: the content type is {FORM}.")
    try:
        text = request.body.decode() if request.method == "POST" else request.query
        return decode(text)
    except (BadForm, UnicodeDecodeError) as error:
        raise StripeError("Invalid request: the form cannot be read.") from error


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("idempotency-key") if request.method == "POST" else None
    if key is not None and not 1 <= len(key) <= idempotency.KEY_MAX:
        raise StripeError(f"Idempotency keys have 1 to {idempotency.KEY_MAX} characters.")
    return key
