"""
What a gateway waits for: a hold before a call, its capture after it, by 32 clients that never pause.

Product: each client opens a hold for a model with the most tokens its call may use, then captures it with those that it used; a request
is counted whichever of the two it is. Floor: the bare view of `benchmarks.floor_web`, one debit a request. The same generator asks both.

Beside it, what a gateway without holds does: it reports each call by itself, as soon as it has ended.
"""

import random
from pathlib import Path
from typing import Final

from django.db import connection

from benchmarks.clients import Ask, Script, post, run
from benchmarks.sample import Sample, watched
from benchmarks.servers import Servers, Web
from benchmarks.world import World

CLIENTS: Final = 32
FLOOR_SQL: Final = (Path(__file__).parent / "floor_debit.sql").read_text()
_ID_AT: Final = slice(len('{"id":"'), len('{"id":"') + 32)


def floor(world: World, servers: Servers, seconds: float) -> Sample:
    """Debits over all accounts, into an empty table of entries."""
    _empty_floor()
    return _sample(servers.floor, [_debits(world) for _ in range(CLIENTS)], seconds)


def product(accounts: int, world: World, servers: Servers, seconds: float) -> Sample:
    """Holds and captures over so many accounts."""
    return _sample(servers.product, [calls(world, world.accounts[:accounts]) for _ in range(CLIENTS)], seconds)


def single_events(accounts: int, world: World, servers: Servers, seconds: float) -> Sample:
    """Reports of one event each, over so many accounts."""
    return _sample(servers.product, [_reports(world, world.accounts[:accounts]) for _ in range(CLIENTS)], seconds)


def _sample(web: Web, scripts: list[Script], seconds: float) -> Sample:
    with watched(web) as seen:
        traffic = run(web.port, scripts, seconds)
    latency = {name: traffic.latency(name) for name in traffic.seconds}
    return seen.sample(traffic.answered, traffic.lasted, traffic.answered, latency)


def _empty_floor() -> None:
    with connection.cursor() as cursor:
        cursor.execute(FLOOR_SQL)
        cursor.execute("ANALYZE floor_wallet")


def _debits(world: World) -> Script:
    while True:
        account, _ = random.choice(world.accounts)
        body = f'{{"account":{account},"amount":{random.randrange(1, 10**7)},"event_id":"req_{next(world.numbers):028x}"}}'
        yield Ask("debit", post("/debit", body.encode()))


def _reports(world: World, accounts: list[tuple[int, str]]) -> Script:
    while True:
        answer = yield Ask("event", post("/v1/usage/events", world.body(accounts, 1), world.platform_key))
        if not answer.startswith(b'{"accepted":1,'):
            raise RuntimeError(answer[:500].decode(errors="replace"))


def calls(world: World, accounts: list[tuple[int, str]]) -> Script:
    """A hold, then its capture, and again, without end."""
    key = world.platform_key
    while True:
        _, account = random.choice(accounts)
        number, model = next(world.numbers), random.choice(world.models)
        hold = f'{{"account":"{account}","hold_key":"call_{number:028x}","model":"{model}","input_tokens":6000,"output_tokens":900}}'
        answer = yield Ask("hold", post("/v1/holds", hold.encode(), key))
        capture = (
            f'{{"account":"{account}","event_id":"req_{number:028x}","model":"{model}","input_tokens":{random.randrange(6_000)},'
            f'"output_tokens":{random.randrange(900)},"endpoint":"/v1/chat/completions"}}'
        )
        yield Ask("capture", post(f"/v1/holds/{answer[_ID_AT].decode()}/capture", capture.encode(), key))
