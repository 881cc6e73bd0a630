"""`make bench-large`: lists, reports and ingest at ten million events, each beside itself at ten thousand, in the same minutes."""

import argparse
import time
from collections.abc import Callable
from datetime import datetime
from itertools import pairwise
from statistics import median
from typing import Final

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection

from accounts.models import User
from benchmarks import ingest
from benchmarks.databases import cloned, require_room
from benchmarks.endpoints import BAR, REQUESTS, Asker, Measured, Place, Side, measure_endpoints
from benchmarks.filling import Filled, Plan, begin, fold, grow, vacuum
from benchmarks.memory import print_memory
from benchmarks.proof import prove
from benchmarks.report import machine, print_cost
from benchmarks.servers import Web, running_product
from benchmarks.world import ACCOUNTS, World
from core import clock
from core.api.pagination import encode_cursor
from credits.services.sealing import seal_ledger

SMALL: Final = Plan(hot_events=1_000, hot_rounds=5, each_events=50, each_rounds=1, accounts=100)
INGEST_BAR: Final = 0.80
INGEST_AIM: Final = 0.95
_LEAST: Final = 20_000


def main(arguments: list[str]) -> None:
    """Fill, measure, print. Exits with 1 where an endpoint gave no answer; a missed bar is printed."""
    options = _options(arguments)
    started = time.monotonic()
    print(machine(), flush=True)
    require_room(options.events)
    world, plan = World.build(), Plan.of(options.events)
    asker = Asker(world.platform_key, _operator_session())
    filled = begin(plan, now=clock.now())
    _grow(filled, SMALL)
    with cloned("billing_bench_small") as small_url:
        _grow(filled, plan)
        with running_product(DATABASE_URL=small_url) as small, running_product() as large:
            failed = _print_endpoints(filled, plan, (small, large), asker, options.requests)
            _print_ingest(world, small, large, options.pairs, options.seconds)
            if options.minutes:
                print_memory(large.pid, options.minutes, steady_ingest(world, large))
        if options.verify:
            _verify()
    print(f"all of it took {(time.monotonic() - started) / 60:.1f} minutes")
    if failed:
        raise SystemExit(f"no answer from {len(failed)} rows: {', '.join(failed)}")


def steady_ingest(world: World, web: Web) -> Callable[[float], None]:
    """Ingest over 10,000 accounts for so many seconds. Bodies are made a few seconds' worth at a time: all would fill the memory."""

    def work(seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            ingest.product_of(web, ACCOUNTS, world, min(4.0, max(left, 0.5)))

    return work


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench-large ARGS=")
    parser.add_argument("--events", type=int, default=10_000_000, help="how many are stored; 200000 for a quick run")
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each endpoint at each size")
    parser.add_argument("--pairs", type=int, default=5, help="runs of ingest at each size")
    parser.add_argument("--seconds", type=float, default=4.0, help="length of each of them")
    parser.add_argument("--minutes", type=float, default=10.0, help="of ingest, for the workers' memory; 0 leaves it out")
    parser.add_argument("--verify", action="store_true", help="prove the books at the end")
    options = parser.parse_args(arguments)
    if options.events < _LEAST:
        parser.error(f"--events is at least {_LEAST:,}")
    return options


def _grow(filled: Filled, plan: Plan) -> None:
    """Up to that plan, sealed and vacuumed, with a line every few seconds."""
    started = shown = time.monotonic()

    def tell(added: int) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - shown > 5:  # noqa: PLR2004 - seconds
            shown = now
            print(f"  {added:,} events added, {added / (now - started):,.0f}/s", flush=True)

    grow(filled, plan, tell)
    times = [time.monotonic()]
    for step in (lambda: seal_ledger(now=clock.now()), lambda: fold(now=clock.now()), vacuum):
        step()
        times.append(time.monotonic())
    sealed, folded, vacuumed = (late - early for early, late in pairwise(times))
    parts = f"written in {times[0] - started:.0f} s, sealed in {sealed:.0f}, folded in {folded:.0f}, vacuumed in {vacuumed:.0f}"
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT (SELECT count(*) FROM ledger_entry), (SELECT count(*) FROM usage_event), pg_database_size(current_database())"
        )
        entries, events, size = cursor.fetchone()
    print(f"{events:,} events, {entries:,} entries, {size / 10**9:.1f} GB: {parts}", flush=True)


def _operator_session() -> str:
    """A superuser who is logged in; the cookie's value."""
    user = User.objects.create_superuser("bench-operator@example.com", "no one logs in by this one")
    session = SessionStore()
    session[SESSION_KEY], session[BACKEND_SESSION_KEY] = str(user.pk), settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = user.get_session_auth_hash()
    session.create()
    return str(session.session_key)


def _print_endpoints(filled: Filled, plan: Plan, webs: tuple[Web, Web], asker: Asker, requests: int) -> list[str]:
    """Both accounts, every endpoint; the names of those that gave no answer."""
    failed: list[str] = []
    hot, each = (SMALL.hot_rounds, plan.hot_rounds), (SMALL.each_rounds, plan.each_rounds)
    for name, account, events, rounds in (
        (f"one account with {SMALL.hot_events * hot[0]:,} and {plan.hot_events * hot[1]:,} events", filled.hot, plan.hot_events, hot),
        (f"one of {SMALL.accounts:,} and {plan.accounts:,} accounts", filled.other, plan.each_events, each),
    ):
        print(f"{name}: medians of {requests}; bar {BAR}", flush=True)
        places = [_place(account, filled, rounds[0], entries=events * many) for many in rounds]
        sides = [Side(web.port, place, asker) for web, place in zip(webs, places, strict=True)]
        found = [_shown(one) for one in measure_endpoints(sides[0], sides[1], requests)]
        failed += [one.name for one in found if one.failed]
        slow = [one for one in found if one.is_slow]
        print(
            f"  {len(found)} endpoints, {len(slow)} beyond the bar, {sum(bool(one.failed) for one in found)} without an answer", flush=True
        )
    return failed


def _shown(one: Measured) -> Measured:
    print(one.line(), flush=True)
    return one


def _place(account: tuple[int, str], filled: Filled, rounds: int, *, entries: int) -> Place:
    """What both sizes have: the first entries and events of this account, and the instant before the round after `rounds`."""
    account_id, public_id = account
    with connection.cursor() as cursor:
        cursor.execute("SELECT id FROM ledger_entry WHERE account_id = %s AND seq = 2", [account_id])
        (entry,) = cursor.fetchone()
        cursor.execute(
            "SELECT id, event_id, created_at FROM usage_event WHERE account_id = %s ORDER BY created_at, id LIMIT 1 OFFSET 40",
            [account_id],
        )
        event, event_id, created_at = cursor.fetchone()
        cursor.execute("SELECT booked_at + step * (%s - 0.5) FROM bench_pattern WHERE account_id = %s", [rounds, account_id])
        (until,) = cursor.fetchone()
    cursor_text = encode_cursor((_microseconds(created_at), event), account_id=account_id, endpoint="usage/recent")
    return Place(account_id, public_id, entry, event, event_id, cursor_text, entries // 2, filled.began_at, until, clock.now())


def _microseconds(at: datetime) -> int:
    whole = at.replace(microsecond=0)
    return int(whole.timestamp()) * 10**6 + at.microsecond


def _print_ingest(world: World, small: Web, large: Web, pairs: int, seconds: float) -> None:
    """The rate with few events stored, and with all, in turn."""
    runs = []
    for number in range(pairs + 1):
        both = [ingest.product_of(web, ACCOUNTS, world, seconds if number else 1.0) for web in (small, large)]
        if number:
            runs.append(both)
    ratios = sorted(filled.rate / empty.rate for empty, filled in runs)
    empty, filled = (median(both[which].rate for both in runs) for which in (0, 1))
    print(
        f"ingest, 10,000 accounts: {empty:,.0f}/s with few events stored, {filled:,.0f}/s with all; ratio {median(ratios):.2f}"
        f" ({ratios[0]:.2f}–{ratios[-1]:.2f})  bar {INGEST_BAR:.2f}  aim {INGEST_AIM:.2f}",
        flush=True,
    )
    for whose, which in (("few", 0), ("all", 1)):
        print_cost(f"with {whose}", "1,000 events", [both[which] for both in runs])


def _verify() -> None:
    proof = prove()
    print(f"verify_ledger: {proof.entries:,} entries in {proof.seconds:.0f} s, {len(proof.discrepancies)} discrepancies", flush=True)
    if proof.discrepancies:
        raise SystemExit("\n".join(["the books disagree:", *proof.discrepancies]))
