"""
A keeper runs one server (PostgreSQL or Valkey) for as long as anybody in this checkout needs it.

Whoever needs the server holds a shared lock on its lease file; the system drops that lock when the holder dies,
however it dies. The keeper, a process of its own, stops the server once it can take the lease for itself. So
`make run`, several `make test` and an `exec` share one server, none owns it, and nothing is left running.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from launcher import children, ports, postgres, psql, valkey
from launcher.children import Child, Command
from launcher.console import Failure
from launcher.locks import FileLock, is_held
from launcher.state import CHECKOUT, State, read_json, write_private

START_SECONDS: Final = 90
"""Recovery after a crash replays the write-ahead log first."""
POLL_SECONDS: Final = 0.1
ALREADY_KEPT: Final = 3
_SPAWNED: Final[list[subprocess.Popen[bytes]]] = []
"""Keepers this process started. They outlive it; the list only keeps Python from complaining that they still run."""


class Server(Protocol):
    """What a keeper needs to know of the server it runs."""

    @property
    def password(self) -> str:
        """What clients log in with."""

    def prepare(self) -> None:
        """Make what the server needs before its first start."""

    def command(self, port: int) -> Command:
        """How it is started."""


@dataclass(frozen=True)
class Place:
    """The files by which a server's keeper and its clients meet."""

    state: State
    name: str

    def lease(self) -> Path:
        """Locked shared by clients; alone by a keeper that is stopping."""
        return self.state.path("keepers", f"{self.name}.lease")

    def keeper(self) -> Path:
        """Locked by the living keeper."""
        return self.state.path("keepers", f"{self.name}.keeper")

    def facts(self) -> Path:
        """Port and password once the server is ready, or why it is not."""
        return self.state.path("keepers", f"{self.name}.json")


def keep(state: State, name: str) -> int:
    """The keeper's whole life. Exit code 0, ALREADY_KEPT, or 1 with the failure in the facts."""
    place = Place(state, name)
    with FileLock(place.keeper()) as own:
        if not own.take():
            return ALREADY_KEPT
        place.facts().unlink(missing_ok=True)
        try:
            return _serve(place)
        except Failure as failure:
            log = str(failure.log) if failure.log else None
            described = {"part": failure.part, "reason": failure.reason, "mend": failure.mend, "log": log}
            write_private(place.facts(), json.dumps({"failure": described}))
            return 1


def _serve(place: Place) -> int:
    asked_to_stop: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: asked_to_stop.append(received))
    child = _start(place)
    lease = FileLock(place.lease())
    try:
        while not asked_to_stop and not lease.take():
            children.raise_if_dead(child)
            time.sleep(POLL_SECONDS)
        place.facts().unlink(missing_ok=True)
    finally:
        child.stop()
        lease.release()
    return 0


def _start(place: Place) -> Child:
    server, is_ready = _server(place)
    server.prepare()
    port = _port(place)
    child = children.start(server.command(port))
    try:
        children.await_ready(child, lambda: is_ready(port), seconds=START_SECONDS)
    except Failure:
        child.stop()
        raise
    facts = {"pid": os.getpid(), "server_pid": child.process.pid, "port": port, "password": server.password}
    write_private(place.facts(), json.dumps(facts))
    return child


def _server(place: Place) -> tuple[Server, Callable[[int], bool]]:
    """The server of that name, and how to see that it answers."""
    if place.name == "postgres":
        database = postgres.open_postgres(place.state)
        return database, lambda port: psql.answers(database.binaries, database.url(port))
    program = valkey.find_program(place.state)
    if program is None:
        raise Failure("redis", "no Valkey or Redis runs here", "set REDIS_URL, or install valkey or redis-server")
    cache = valkey.Valkey(place.state, program, place.state.secret("valkey"))
    return cache, lambda port: _pongs(port, cache.password)


def _pongs(port: int, password: str) -> bool:
    try:
        return valkey.speak(port, password, "PING") == ["+PONG"]
    except OSError:
        return False


def _port(place: Place) -> int:
    """The port of the last time if it is still free, so that a noted URL stays true."""
    remembered = place.state.path("keepers", f"{place.name}.port")
    text = remembered.read_text(encoding="ascii") if remembered.exists() else ""
    port = int(text) if text.isdigit() and ports.is_free(int(text)) else ports.any_free()
    remembered.write_text(str(port), encoding="ascii")
    return port


@dataclass(frozen=True)
class Lease:
    """A client's claim on a running server."""

    place: Place
    lock: FileLock
    port: int
    password: str

    def is_kept(self) -> bool:
        """Whether the server's keeper still lives."""
        return bool(_ready_facts(self.place))

    def failure(self) -> Failure:
        """Why the keeper ended."""
        return _failure(self.place)

    def release(self, *, wait_seconds: float = 0) -> None:
        """Give the claim up; wait for the server to stop, unless somebody else still uses it."""
        self.lock.release()
        deadline = time.monotonic() + wait_seconds
        while time.monotonic() < deadline and is_held(self.place.keeper()):
            time.sleep(POLL_SECONDS)
            if time.monotonic() > deadline - wait_seconds + 1 and not is_held(self.place.lease(), against_shared=True):
                return


def lease(state: State, name: str) -> Lease:
    """Claim a server, starting its keeper if there is none. Returns when the server answers."""
    place = Place(state, name)
    lock = FileLock(place.lease())
    if not lock.take(shared=True, seconds=START_SECONDS):
        raise Failure(name, "its last keeper does not finish stopping", f"end the process in {place.facts()}")
    keeper: subprocess.Popen[bytes] | None = None
    while not (facts := _ready_facts(place)):
        if keeper is None or keeper.poll() == ALREADY_KEPT:
            keeper = None if is_held(place.keeper()) else _spawn(place)
        elif keeper.poll() is not None:
            raise _failure(place)
        time.sleep(POLL_SECONDS / 2)
    return Lease(place, lock, facts["port"], facts["password"])


def _ready_facts(place: Place) -> dict[str, Any]:
    """The facts, if the keeper who wrote them is the one that lives."""
    facts = read_json(place.facts())
    return facts if "port" in facts and _exists(facts["pid"]) and is_held(place.keeper()) else {}


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _failure(place: Place) -> Failure:
    told = read_json(place.facts()).get("failure")
    if told:
        return Failure(told["part"], told["reason"], told["mend"], Path(told["log"]) if told["log"] else None)
    log = place.state.log(f"{place.name}-keeper")
    return Failure(place.name, "its keeper ended without a word", "see its log, then try again", log)


def _spawn(place: Place) -> subprocess.Popen[bytes]:
    with place.state.log(f"{place.name}-keeper").open("ab") as log:
        keeper = subprocess.Popen(
            [sys.executable, "-m", "launcher", "keep", place.name],
            cwd=CHECKOUT,
            env={**os.environ, "BILLING_STATE_DIR": str(place.state.folder)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    _SPAWNED.append(keeper)
    return keeper
