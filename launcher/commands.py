"""Commands that borrow the servers: tests, benchmarks, a shell, anything."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Final

from launcher import databases, postgres, product
from launcher.children import dies_with_parent
from launcher.console import Failure, say
from launcher.locks import FileLock
from launcher.servers import serving
from launcher.state import CHECKOUT, State, remove_state
from launcher.valkey import DATABASES, speak

BENCH_DATABASE: Final = "billing_bench"
BENCH_NUMBER: Final = 1
SLOT_FIRST: Final = 2
"""Redis database of the first concurrent test run; the numbers below are the platform's and the benchmark's."""


def execute(state: State, arguments: Sequence[str]) -> int:
    """`exec`: any command, with the servers up and the product's environment set."""
    if not arguments:
        raise Failure("launcher", "exec needs a command", "python -m launcher exec -- python manage.py …")
    with serving(state) as servers:
        databases.present_database(servers)
        return _in_foreground(arguments, product.environment(servers))


def test(state: State, arguments: Sequence[str]) -> int:
    """`test`: pytest, on a test database and a Redis database that no other run uses."""
    with serving(state) as servers, _slot(state) as slot:
        number = SLOT_FIRST + slot
        if servers.cache is not None:
            speak(servers.cache.port, servers.cache.password, f"SELECT {number}", "FLUSHDB")
        environment = product.environment(servers, database=f"billing_{slot}", redis_number=number)
        return _in_foreground([sys.executable, "-m", "pytest", *arguments], environment)


def bench(state: State, arguments: Sequence[str]) -> int:
    """`bench`: the benchmarks, on a database of their own that is made anew."""
    with serving(state) as servers:
        databases.fresh_database(servers, BENCH_DATABASE)
        environment = product.environment(servers, database=BENCH_DATABASE, redis_number=BENCH_NUMBER)
        return _in_foreground([sys.executable, "-m", "benchmarks", *arguments], environment)


def psql(state: State, arguments: Sequence[str]) -> int:
    """`psql`: a prompt on the platform's database."""
    with serving(state) as servers:
        databases.present_database(servers)
        url = servers.database_url(product.DATABASE)
        # The URL holds a password: it goes by the environment, since arguments are public.
        account, _, place = url.partition("://")[2].rpartition("@")
        user, _, password = account.partition(":")
        program = str(postgres.find_binaries(state) / "psql")
        target = f"postgres://{user}@{place}"
        return _in_foreground([program, *arguments, target], {**os.environ, "PGPASSWORD": password})


def reset(state: State) -> int:
    """`reset`: delete databases, logs and secrets of this checkout, once nothing uses them."""
    for name in ("postgres", "valkey"):
        with FileLock(state.path("keepers", f"{name}.lease")) as lease:
            if not lease.take(seconds=5):
                raise Failure("launcher", f"{name} is in use by another command", "stop that first (`make run`, a test)")
    remove_state(state)
    say("launcher", f"deleted {state.folder}")
    return 0


@contextmanager
def _slot(state: State) -> Iterator[int]:
    """A number that no other test run of this checkout has now. Kept small, so that left-overs are used again."""
    for slot in range(DATABASES - SLOT_FIRST):
        with FileLock(state.path("slots", str(slot))) as own:
            if own.take():
                yield slot
                return
    raise Failure("test", "too many test runs at once", "wait for one to end")


def _in_foreground(arguments: Sequence[str], environment: Mapping[str, str]) -> int:
    """Run it at this terminal: Ctrl-C is the command's own; TERM and HUP are passed on. Its exit code."""
    try:
        process = subprocess.Popen(list(arguments), cwd=CHECKOUT, env=dict(environment), preexec_fn=dies_with_parent(signal.SIGTERM))
    except OSError as error:
        raise Failure("launcher", f"{arguments[0]}: {error.strerror}", "name a program that exists") from error
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: process.send_signal(received))
    code = process.wait()
    return code if code >= 0 else 128 - code
