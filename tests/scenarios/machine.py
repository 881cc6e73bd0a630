"""A whole platform of a test's own: PostgreSQL, Valkey, web, worker and beat as real processes, made to be killed."""

import http.client
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from celery import Celery

from launcher import children, ports, postgres, product, psql, valkey
from launcher.children import Child, Command
from launcher.product import Product
from launcher.state import CHECKOUT, OUTSIDE, State, open_state, remove_state

PATIENCE_SECONDS: Final = 60
POLL_SECONDS: Final = 0.05
CONNECTIONS: Final = 450
COST_NANOS: Final = 2_500
"""One input token of gpt-4o, by the starter price book."""


@dataclass(frozen=True)
class Reply:
    """What a web server answered."""

    status: int
    content: bytes
    headers: Mapping[str, str]

    @property
    def body(self) -> Any:
        return json.loads(self.content)


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something that comes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        assert time.monotonic() < deadline, f"waited in vain: {what}"
        time.sleep(POLL_SECONDS)


class Machine:
    """The processes, and what it takes to kill them and to start them again at the same addresses."""

    def __init__(self, state: State, given: Mapping[str, str] | None = None) -> None:
        """Nothing runs yet. `given`: settings of the product, over the usual ones."""
        self.state = state
        self.database: Child | None = None
        self.cache: Child | None = None
        self.web: Child | None = None
        self.worker: Child | None = None
        self.postgres = postgres.open_postgres(state)
        program = valkey.find_program(state)
        assert program is not None
        self.valkey = valkey.Valkey(state, program, state.secret("valkey"))
        self.database_port, self.cache_port, self.web_port, self.sandbox_port = (ports.any_free() for _ in range(4))
        self.database_url = self.postgres.url(self.database_port, "billing")
        self.cache_url = self.valkey.url(self.cache_port)
        self.product = Product(state, {**self._environment(), **(given or {})})

    def start_servers(self) -> None:
        """Both servers, and a database with every table and nothing in it."""
        self.postgres.prepare()
        self.database = self._start_database()
        self.cache = self._start_cache()
        psql.run(self.postgres.binaries, self.postgres.url(self.database_port), "CREATE DATABASE billing")
        self.run_python("from django.core.management import call_command; call_command('migrate', verbosity=0)", "tests.settings")

    def _environment(self) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "billing_platform.settings",
            "DATABASE_URL": self.database_url,
            "REDIS_URL": self.cache_url,
            "SECRET_KEY": self.state.secret("secret_key"),
            "LOCAL_HTTP": "1",
            "ALLOWED_HOSTS": ports.HOST,
            "EMAIL_URL": "memorymail://",
            "THROTTLE_CHECKOUT": "",
            "PENDING_ORDERS_MAX": "100000",
            "STATIC_ROOT": str(self.state.path("static", "x").parent),
            "THROTTLE_REGISTER": "1000/hour",
            "STRIPE_API_HOST": f"http://{ports.HOST}:{self.sandbox_port}",
            "STRIPE_TEST_SECRET_KEY": product.stripe_key(self.state),
            "STRIPE_WEBHOOK_SECRETS": product.webhook_secret(self.state),
            "PYTHONUNBUFFERED": "1",
            "PATH": os.environ["PATH"],
        }

    def _start_database(self) -> Child:
        url = self.postgres.url(self.database_port)
        command = self.postgres.command(self.database_port)
        # The last word counts: some scenarios ask for more connections than a developer's machine has.
        command = replace(command, arguments=[*command.arguments, "-c", f"max_connections={CONNECTIONS}"])
        child = children.start(command)
        children.await_ready(child, lambda: psql.answers(self.postgres.binaries, url), seconds=PATIENCE_SECONDS)
        return child

    def _start_cache(self) -> Child:
        child = children.start(self.valkey.command(self.cache_port))
        wait_until(self._cache_answers, "valkey answers")
        return child

    def _cache_answers(self) -> bool:
        try:
            return valkey.speak(self.cache_port, self.valkey.password, "PING") == ["+PONG"]
        except OSError:
            return False

    def run_python(self, script: str, settings: str = "billing_platform.settings") -> Any:
        """Run a script in a process of its own, with Django set up; the JSON that it prints last, if any."""
        done = subprocess.run(
            [sys.executable, "-c", f"import django; django.setup()\n{script}"],
            cwd=CHECKOUT,
            env={**self.product.environment, "DJANGO_SETTINGS_MODULE": settings},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1]) if done.stdout else None

    def ask(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Rows, read past the product."""
        with psycopg.connect(self.database_url) as connection:
            return connection.execute(sql, values).fetchall()

    def do(self, sql: str) -> None:
        """Change rows, past the product."""
        with psycopg.connect(self.database_url) as connection:
            connection.execute(sql.encode())

    def start_web(self) -> None:
        """Two workers, four threads each, as production has them."""
        self.web = children.start(self.product.web(self.web_port))
        children.await_ready(self.web, self._answers, seconds=PATIENCE_SECONDS)

    @contextmanager
    def beside(self, command: Command) -> Iterator[Child]:
        """One more process, started otherwise than usual; stopped afterwards."""
        child = children.start(command)
        try:
            yield child
        finally:
            child.stop()

    def _answers(self) -> bool:
        try:
            return call(self.web_port, "GET", "/healthz")[0] == 200
        except OSError:
            return False

    def start_worker(self) -> None:
        """A worker with two processes."""
        worker = children.start(self.product.worker())
        children.await_ready(worker, lambda: " ready." in worker.written(), seconds=PATIENCE_SECONDS)
        self.worker = worker

    def enqueue(self, task: str, **arguments: object) -> None:
        """Ask for a job as beat does, or as the broker does again."""
        with Celery("tests", broker=self.cache_url, set_as_current=False) as app:
            app.send_task(task, kwargs=arguments)

    def kill_web_workers(self) -> None:
        """kill -9 of all of gunicorn's workers; its master starts others."""
        killed = children_of(started(self.web).process.pid)
        for pid in killed:
            os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not any(is_alive(pid) for pid in killed), "the killed are gone")

    def kill_a_web_worker(self) -> None:
        """kill -9 of one of gunicorn's workers; its master starts another."""
        os.kill(children_of(started(self.web).process.pid)[0], signal.SIGKILL)

    def kill_web(self) -> None:
        """kill -9 of gunicorn's master and workers."""
        kill_all(started(self.web))

    def kill_worker(self) -> None:
        """kill -9 of Celery's master and pool."""
        kill_all(started(self.worker))

    def kill_database(self) -> None:
        """kill -9 of the postmaster and every backend: what was not in the write-ahead log on disk is lost."""
        kill_all(started(self.database))

    def restart_database(self) -> None:
        """Start it again, through crash recovery."""
        self.database = self._start_database()
        assert "database system was not properly shut down" in self.database.written()

    def kill_broker(self) -> None:
        """kill -9 of Valkey."""
        kill_all(started(self.cache))

    def restart_broker(self) -> None:
        """Start it again; what it had written to its file is there."""
        self.cache = self._start_cache()

    @contextmanager
    def frozen_broker(self) -> Iterator[None]:
        """Valkey takes requests and answers none: whoever hands it a job is caught right there."""
        broker = started(self.cache).process
        broker.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            broker.send_signal(signal.SIGCONT)

    @contextmanager
    def hold_wallets(self, account_ids: list[int]) -> Iterator[None]:
        """Lock wallets from outside, so that whoever books is caught in the middle of a transaction."""
        with self.holding("SELECT 1 FROM wallet WHERE account_id = ANY(%(ids)s) ORDER BY account_id FOR UPDATE", ids=account_ids):
            yield

    @contextmanager
    def holding(self, sql: str, **values: object) -> Iterator[None]:
        """Hold the locks that a statement takes, in a transaction that never commits."""
        connection = psycopg.connect(self.database_url)
        connection.execute(sql.encode(), values)
        try:
            yield
        finally:
            connection.close()

    def waiting(self, statement: str = "") -> int:
        """How many backends wait for a lock, in a statement that begins so."""
        sql = r"SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'billing'"
        return sum(statement in query[:40] for (query,) in self.ask(sql))

    def waiting_for(self, table: str) -> int:
        """How many backends wait for a lock, in a statement about this table."""
        sql = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'billing'"
        return sum(table in query for (query,) in self.ask(sql))

    def end_waiting(self) -> None:
        """End every backend that waits for a lock: who asked is dead, and nobody hears what it would still do."""
        self.ask("SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = 'billing'")

    def stop(self) -> None:
        """Stop everything that still runs."""
        everything = [self.database, self.cache, self.web, self.worker]
        children.stop_in_reverse([child for child in everything if child is not None])


@contextmanager
def running_machine(given: Mapping[str, str] | None = None) -> Iterator[Machine]:
    """A machine in a state folder of its own; both are gone afterwards."""
    before = os.environ.get("BILLING_STATE_DIR")
    os.environ["BILLING_STATE_DIR"] = str(OUTSIDE / f"billing-platform-test-{os.getpid()}-{time.monotonic_ns()}")
    own_state = open_state()
    machine = Machine(own_state, given)
    try:
        machine.start_servers()
        yield machine
    finally:
        machine.stop()
        remove_state(own_state)
        os.environ.pop("BILLING_STATE_DIR")
        if before is not None:
            os.environ["BILLING_STATE_DIR"] = before


def started(child: Child | None) -> Child:
    """A process that has been started."""
    assert child is not None
    return child


def children_of(pid: int) -> list[int]:
    """The processes that a process started, from /proc."""
    return [int(path.name) for path in Path("/proc").glob("[0-9]*") if status_of(path.name)[1:2] == [str(pid)]]


def status_of(pid: int | str) -> list[str]:
    """The state of a process, its parent and so on; nothing where there is none."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return []


def kill_all(child: Child) -> None:
    """kill -9 of a process and of all that it started; returns when none is left."""
    pids = [child.process.pid, *children_of(child.process.pid)]
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    child.process.wait(PATIENCE_SECONDS)
    wait_until(lambda: not any(is_alive(pid) for pid in pids), "the killed are gone")


def is_alive(pid: int) -> bool:
    """Whether it runs; one that nobody has buried yet does not."""
    return status_of(pid)[:1] not in ([], ["Z"])


def call(port: int, method: str, path: str, key: str = "", body: bytes = b"") -> tuple[int, bytes]:
    """One request on a connection of its own."""
    reply = send(port, method, path, key=key, body=body)
    return reply.status, reply.content


def send(port: int, method: str, path: str, *, key: str = "", body: bytes = b"", headers: Mapping[str, str] | None = None) -> Reply:
    """The same, with headers; what was answered, with its headers. Raises OSError or HTTPException if nothing was."""
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=PATIENCE_SECONDS)
    try:
        known = {"Authorization": f"Bearer {key}"} if key else {}
        connection.request(method, path, body, {"Content-Type": "application/json", **known, **(headers or {})})
        answer = connection.getresponse()
        return Reply(answer.status, answer.read(), dict(answer.headers))
    finally:
        connection.close()


class Gateway:
    """Reports calls without a pause, several batches at once, and sends each again until it is acknowledged."""

    def __init__(self, machine: Machine, key: str, accounts: list[str], name: str) -> None:
        self.machine, self.key, self.accounts, self.name = machine, key, accounts, name
        self.acknowledged: Counter[str] = Counter()
        self.duplicates = self.retries = self.batches = 0
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._report, args=(number,)) for number in range(4)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        self.await_more()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def await_more(self) -> None:
        """Wait until some more batches are acknowledged, whatever happened before."""
        enough = self.batches + 12
        wait_until(lambda: self.batches >= enough, "batches are acknowledged")

    def _report(self, thread: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            ids = [f"{self.name}-{thread}-{number}-{n}" for n in range(10)]
            events = [
                {"event_id": event_id, "account": account, "model": "gpt-4o", "input_tokens": 1}
                for event_id in ids
                for account in (self.accounts if number % 2 else self.accounts[::-1])
            ]
            self._deliver(json.dumps(events).encode(), ids, len(events))

    def _deliver(self, body: bytes, ids: list[str], size: int) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while (answer := self._send(body)) is None:
            self.retries += 1
            assert time.monotonic() < deadline, "never acknowledged"
            time.sleep(0.05)
        assert (answer["accepted"] + answer["duplicates"], answer["rejected"]) == (size, [])
        with self._lock:
            self.acknowledged.update(ids)
            self.duplicates += answer["duplicates"]
            self.batches += 1

    def _send(self, body: bytes) -> dict[str, Any] | None:
        try:
            status, content = call(self.machine.web_port, "POST", "/v1/usage/events", self.key, body)
        except (OSError, http.client.HTTPException):
            return None
        if status == 200:
            told: dict[str, Any] = json.loads(content)
            return told
        assert status >= 500, content
        return None
