"""Runs the platform: servers, database, demo data, sandbox, web, worker, beat; then the story; then serves until stopped."""

import json
import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from types import FrameType
from typing import Any, Final, NoReturn
from urllib.error import URLError
from urllib.request import urlopen

from launcher import children, databases, ports, product, story
from launcher.children import Child, Command
from launcher.console import Failure, say, step
from launcher.locks import FileLock
from launcher.product import SANDBOX_PORT, Product
from launcher.servers import Servers, serving
from launcher.state import State, read_json, write_private

PORT_DEFAULT: Final = 8000
READY_SECONDS: Final = 60
WATCH_SECONDS: Final = 0.5


class Stopped(BaseException):
    """Somebody asked us to stop (Ctrl-C, TERM, a closed terminal). Not an error, so not an Exception."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


@dataclass(frozen=True)
class Ports:
    """Where a person and the processes reach each other, on 127.0.0.1."""

    web: int
    sandbox: int

    @property
    def web_url(self) -> str:
        """The platform."""
        return f"http://{ports.HOST}:{self.web}"

    @property
    def sandbox_url(self) -> str:
        """The stand-in for Stripe."""
        return f"http://{ports.HOST}:{self.sandbox}"


@dataclass(frozen=True)
class Demo:
    """Who can log in, as `manage.py load_demo --json` says."""

    operator_email: str
    operator_password: str
    platform_key: str


def run(state: State, *, serve: bool) -> int:
    """The whole of `make run` (serve) and `make demo` (stop after the story). The exit code."""
    began = time.monotonic()
    note = state.path("run.json")
    with FileLock(state.path("run.lock")) as own:
        if not own.take():
            raise _already_running(read_json(note))
        _listen_for_signals()
        where = Ports(web=_free_port("web", int(os.environ.get("PORT", PORT_DEFAULT))), sandbox=_free_port("sandbox", SANDBOX_PORT))
        write_private(note, json.dumps({"pid": os.getpid(), "url": where.web_url}))
        try:
            _run(state, where, began, serve=serve)
        except Stopped as stopped:
            _ignore_signals()
            say("launcher", f"stopped by {signal.Signals(stopped.number).name}; the data stay in {state.folder}")
            return 0 if serve and stopped.number == signal.SIGINT else 128 + stopped.number
        finally:
            _ignore_signals()
            note.unlink(missing_ok=True)
    return 0


def _run(state: State, where: Ports, began: float, *, serve: bool) -> None:
    say("state", f"{state.folder}")
    with serving(state, wait_at_end=True) as servers:
        _tell_servers(servers)
        databases.ready_database(servers)
        one = Product(state, product.environment(servers, port=where.web, sandbox_port=where.sandbox))
        with step("pages", "gathering the files of the admin and of Swagger UI") as under_way:
            under_way.done = "gathered" if product.collect_static(one) else "as they were"
        demo = _load_demo(one, servers)
        running: list[Child] = []
        try:
            _start_processes(one, where, running)
            say("launcher", f"up after {time.monotonic() - began:.1f} s")
            _tell_story(one, demo, where)
            _tell_links(one, demo, where)
            if serve:
                _serve(servers, running)
        finally:
            _ignore_signals()
            _stop(running)


def _tell_servers(servers: Servers) -> None:
    database = "DATABASE_URL" if servers.database is None else f"PostgreSQL on port {servers.database.port}"
    cache = "REDIS_URL" if servers.cache is None else f"Valkey on port {servers.cache.port}"
    say("servers", f"{database}, {cache}")


def _load_demo(one: Product, servers: Servers) -> Demo:
    """Load it, unless this very code has loaded it into this very database before."""
    kept = one.state.path("demo.json")
    stamp = _demo_stamp(servers)
    answer = read_json(kept)
    if not stamp or answer.get("stamp") != stamp:
        with step("demo data", "loading models, prices, an operator, a gateway's key") as under_way:
            answer = {**json.loads(one.manage("load_demo", "--json").splitlines()[-1]), "stamp": stamp}
            under_way.done = "loaded"
        write_private(kept, json.dumps(answer, indent=2))
    return Demo(answer["operator"]["email"], answer["operator"]["password"], answer["platform_key"])


def _demo_stamp(servers: Servers) -> str:
    """Names the database and the code; empty where the database is not ours: its demo data are always loaded."""
    catalog = databases.open_catalog(servers)
    return "" if catalog is None else f"{catalog.identity(product.DATABASE)}-{product.source_fingerprint()}"


def _start_processes(one: Product, where: Ports, running: list[Child]) -> None:
    """All at once, since each mostly waits for its imports; then wait for each in order."""
    probes: list[tuple[Command, Callable[[Child], bool]]] = [
        (one.sandbox(where.sandbox, where.web), lambda _: _answers(f"{where.sandbox_url}/_sandbox/health")),
        (one.web(where.web), lambda _: _answers(f"{where.web_url}/readyz")),
        (one.worker(), partial(_has_written, text=" ready.")),
        (one.beat(), partial(_has_written, text="beat: Starting")),
    ]
    with step("processes", "starting sandbox, web, worker and beat") as under_way:
        running.extend(children.start(command) for command, _ in probes)
        for child, (_, is_ready) in zip(running, probes, strict=True):
            children.await_ready(child, partial(is_ready, child), seconds=READY_SECONDS, watched=running)
        under_way.done = "sandbox, web, worker and beat are ready"


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)  # noqa: PLR2004
    except (URLError, OSError):
        return False


def _has_written(child: Child, *, text: str) -> bool:
    return text in child.written()


def _tell_story(one: Product, demo: Demo, where: Ports) -> None:
    story.play(
        where.web_url,
        sandbox=where.sandbox_url,
        operator=(demo.operator_email, demo.operator_password),
        platform_key=demo.platform_key,
        manage=one.manage,
    )


def _tell_links(one: Product, demo: Demo, where: Ports) -> None:
    base = where.web_url
    lines = {
        "admin": f"{base}/admin/",
        "": f"operator {demo.operator_email}, password {demo.operator_password}",
        "API": f"{base}/docs (Swagger UI), {base}/openapi.json",
        "gateway key": demo.platform_key,
        "sandbox": f"{where.sandbox_url}/ (the stand-in for Stripe: payments, events, webhooks; no money moves)",
        "mail": f"{one.state.folder / 'mail'}",
        "logs": f"{one.state.folder / 'logs'}",
    }
    for part, text in lines.items():
        say(part, text)


def _serve(servers: Servers, running: list[Child]) -> NoReturn:
    """Until a signal (Stopped) or a death (Failure)."""
    say("launcher", "serving; Ctrl-C stops everything and keeps the data")
    while True:
        servers.raise_if_dead()
        for child in running:
            children.raise_if_dead(child)
        time.sleep(WATCH_SECONDS)


def _stop(running: list[Child]) -> None:
    if running:
        with step("processes", "stopping beat, worker, web and sandbox") as under_way:
            children.stop_in_reverse(running)
            under_way.done = "beat, worker, web and sandbox have stopped"


def _free_port(name: str, wanted: int) -> int:
    port = ports.first_free_from(wanted)
    if port != wanted:
        say(name, f"port {wanted} is taken by another program: using {port}")
    return port


def _already_running(note: dict[str, Any]) -> Failure:
    where = f"process {note.get('pid', '?')}, {note.get('url', 'still starting')}"
    return Failure("launcher", f"this checkout already runs ({where})", "use that one, or stop it with Ctrl-C first")


def _listen_for_signals() -> None:
    """Explicitly: a background job inherits SIGINT ignored, and Python would then install no handler."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _stop_now)


def _stop_now(number: int, _: FrameType | None) -> NoReturn:
    raise Stopped(number)


def _ignore_signals() -> None:
    """While stopping: the order is kept whatever is pressed."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
