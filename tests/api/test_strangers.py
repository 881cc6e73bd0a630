"""
A stranger gets 404 on everything of another account: one test walks every route of the API, with a token and with a key.

A new route is covered by itself. A new name of a path part, a route that is about no account, or one for platform keys only must be
entered in the tables below: until then the test fails.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
from django.core import serializers
from django.urls import URLPattern, URLResolver, get_resolver

from accounts.models import Account, ApiKey, Invite, Membership
from accounts.services.api_keys import IssuedKey
from core import clock
from credits.models import Hold, LedgerEntry
from credits.services.holds import HoldTerms, open_hold
from credits.services.sealing import seal_ledger
from payments.models import Order, OrderLine, PaymentAttempt, Provider
from payments.pricing import quote_credits
from payments.services.ordering import Placement, place_order
from payments.tariff import tariff
from tests import factories
from tests.actors import Cast, Person, customer_key, platform_key
from tests.conftest import Api
from tests.spending import price

pytestmark = pytest.mark.django_db

METHODS: Final = ("get", "post", "put", "patch", "delete")
NOT_API: Final = re.compile(r"^(admin$|admin/|docs$|openapi\.json$|payment/return(/|$)|static/)")
PART: Final = re.compile(r"<(?:[^:>]+:)?([^>]+)>")


@dataclass(frozen=True)
class World:
    """Alice's things, which Charlie is after."""

    account: Account
    key: IssuedKey
    member: Membership
    invite: Invite
    event_id: str
    order_id: str


THINGS: Final[dict[str, Callable[[World], list[str]]]] = {
    "account_id": lambda world: [world.account.public_id],
    "key_id": lambda world: [world.key.key.public_id],
    "member_id": lambda world: [world.member.public_id, world.invite.public_id],
    "event_id": lambda world: [world.event_id],
    "entry_id": lambda world: [str(entry.pk) for entry in LedgerEntry.objects.filter(account=world.account)[:1]],
    "hold_id": lambda world: [hold.public_id for hold in Hold.objects.filter(account=world.account)[:1]],
    "order_id": lambda world: [world.order_id],
}
"""What stands for each name of a path part: Alice's object, or objects where a path takes several kinds."""

OF_NO_ACCOUNT: Final = {
    "healthz",
    "readyz",
    "metrics",
    "auth/register",
    "auth/token",
    "auth/token/refresh",
    "auth/logout",
    "auth/verify-email",
    "auth/password/reset",
    "auth/password/confirm",
    "auth/me",
    "v1/members/accept",
    "v1/models",
    "v1/seals",
    "v1/statement/verifier",
    "payment/webhook/stripe",
}
"""Routes that are about the caller, or about nobody: naming an account there means nothing."""

PLATFORM_KEYS_ONLY: Final = {
    "v1/usage/events",
    "v1/usage/events/<path:event_id>/refund",
    "v1/holds",
    "v1/holds/<public_id:hold_id>/capture",
    "v1/holds/<public_id:hold_id>/void",
}
"""Routes that refuse every customer before they look at anything: 403, whoever the account belongs to."""

BODIES: Final[dict[str, object]] = {
    "v1/estimate": {"model": "gpt-4o", "input_tokens": 1},
    "api-account/user/billing/create-checkout": {"credit_usd": 20, "currency": "USD"},
    "payment/create-session": {"channel": "stripe", "type": "credits", "credits": 20_000},
    "v1/usage/events": [{"event_id": "stolen", "account": "f" * 32, "model": "gpt-4o"}],
}
"""Bodies for routes that read theirs before they ask for the account."""


@dataclass(frozen=True)
class Route:
    """One path of the API with the methods that its view answers."""

    path: str
    methods: tuple[str, ...]

    @property
    def parts(self) -> list[str]:
        return PART.findall(self.path)

    def filled(self, world: World) -> list[str]:
        """The path with Alice's objects in it. A name that the table does not know is a gap in this test."""
        paths = [self.path]
        for name in self.parts:
            assert name in THINGS, f"{self.path}: say in THINGS what a stranger would put for {name}"
            paths = [PART.sub(thing, path, count=1) for path in paths for thing in THINGS[name](world)]
        return [f"/{path}" for path in paths]


def every_route() -> list[Route]:
    """The API's routes, the alias of the AI gateway among them."""
    return [route for route in _walk(get_resolver()) if not NOT_API.match(route.path)]


def _walk(resolver: URLResolver, prefix: str = "") -> Iterator[Route]:
    for entry in resolver.url_patterns:
        path = prefix + str(entry.pattern)
        if isinstance(entry, URLPattern):
            view: Any = getattr(entry.callback, "view_class", None)
            yield Route(path, tuple(method for method in METHODS if hasattr(view, method)))
        else:
            yield from _walk(entry, path)


@pytest.fixture
def world(api: Api, cast: Cast) -> World:
    price("gpt-4o")
    factories.forget_memories()
    reported = factories.post_events(api, platform_key(), [factories.event(cast.alice.account, "alices-call")])
    assert reported.json()["accepted"] == 1, reported.content
    factories.give(cast.alice.account, 10**9)
    open_hold(account_id=cast.alice.account.pk, terms=HoldTerms(5, timedelta(minutes=1)), now=clock.now())
    seal_ledger(now=clock.now())
    api.post("/v1/members", {"email": "guest@example.com"}, cast.alice)
    return World(
        account=cast.alice.account,
        key=customer_key(cast.alice),
        member=Membership.objects.get(account=cast.alice.account, user=cast.bob.user),
        invite=Invite.objects.get(),
        event_id="alices-call",
        order_id=an_order(cast.alice.account).public_id,
    )


def an_order(account: Account) -> Order:
    quote = quote_credits(tariff(), credit_nanos=20_000_000_000, currency="USD")
    placement = Placement(account_id=account.pk, placed_by=None, quote=quote, provider=Provider.STRIPE)
    return place_order(placement, now=clock.now())


def identity_now() -> str:
    """Everything a stranger could have moved, apart from money."""
    models = (Account, ApiKey, Invite, Membership, Order, OrderLine, PaymentAttempt)
    rows = [row for model in models for row in model._default_manager.order_by("pk")]
    return str(serializers.serialize("json", rows))


def attempts(route: Route, world: World, own: Account) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Every way to ask for Alice's: (method, path, headers)."""
    alices = world.account.public_id
    for method in route.methods:
        for path in route.filled(world):
            if route.parts:
                yield method, path, {}
                yield method, path, {"x_account": own.public_id}
            yield method, path, {"x_account": alices}
            yield method, f"{path}?account={alices}", {}


@pytest.mark.parametrize("kind", ["token", "key"])
def test_a_stranger_gets_404_on_every_object_of_another_account(api: Api, cast: Cast, world: World, kind: str) -> None:
    charlie: Person | IssuedKey = cast.charlie if kind == "token" else customer_key(cast.charlie)
    before = identity_now(), factories.books_now()
    wrong, asked = [], 0
    for route in every_route():
        if route.path in OF_NO_ACCOUNT:
            continue
        expected = 403 if route.path in PLATFORM_KEYS_ONLY else 404
        for method, path, headers in attempts(route, world, cast.charlie.account):
            answer = api.send(method.upper(), path, charlie, BODIES.get(route.path), **headers)
            asked += 1
            if answer.status_code != expected:
                wrong.append(f"{method.upper()} {path} {headers}: {answer.status_code} {answer.content[:200]!r}")

    assert not wrong, "\n".join(wrong)
    assert asked > 50
    assert (identity_now(), factories.books_now()) == before


def test_the_same_paths_are_found_by_their_owner(api: Api, cast: Cast, world: World) -> None:
    missed = []
    for route in every_route():
        if route.path in OF_NO_ACCOUNT | PLATFORM_KEYS_ONLY:
            continue
        for path in route.filled(world):
            method = "get" if "get" in route.methods else route.methods[0]
            answer = api.send(method.upper(), path, cast.alice, BODIES.get(route.path, {}))
            if answer.status_code in {401, 403, 404} and not (path.endswith(world.invite.public_id) and method == "patch"):
                missed.append(f"{method.upper()} {path}: {answer.status_code}")

    assert not missed, "\n".join(missed)


def test_a_stranger_is_told_the_same_as_of_what_does_not_exist(api: Api, cast: Cast, world: World) -> None:
    pairs = [
        (f"/auth/api-keys/{world.key.key.public_id}", f"/auth/api-keys/{'f' * 32}"),
        (f"/v1/members/{world.member.public_id}", f"/v1/members/{'f' * 32}"),
        (f"/v1/account?account={world.account.public_id}", f"/v1/account?account={'f' * 32}"),
        ("/v1/usage/events/alices-call", "/v1/usage/events/nobodys-call"),
        (f"/orders/{world.order_id}", f"/orders/ord_{'f' * 32}"),
        (f"/api-account/user/billing/payment-status/{world.order_id}", f"/api-account/user/billing/payment-status/ord_{'f' * 32}"),
    ]
    for existing, missing in pairs:
        method = "DELETE" if existing.startswith(("/auth/api-keys", "/v1/members")) else "GET"
        answers = [api.send(method, path, cast.charlie, x_request_id="the-same-id") for path in (existing, missing)]

        assert answers[0].status_code == answers[1].status_code == 404
        assert json.loads(answers[0].content) == json.loads(answers[1].content)
