"""The sandbox as a program: what it refuses to be, what it leaves in its file and its log, and what a restart finds again."""

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from stripe import StripeClient

import sandbox
from sandbox import NotATestKey, NotLoopback, Sandbox, WebhookFaults, WrongFile
from tests.sandbox import browser
from tests.sandbox.conftest import KEY, LINE, URLS, client_of
from tests.sandbox.receiver import SECRET, Receiver

CHECKOUT = Path(__file__).resolve().parents[2]


@contextmanager
def program(*arguments: str, key: str = KEY) -> Iterator[subprocess.Popen[str]]:
    environment = os.environ | {"SANDBOX_API_KEY": key, "SANDBOX_WEBHOOK_SECRET": SECRET}
    command = [sys.executable, "-m", "sandbox", "--port", "0", *arguments]
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def pay_once(base_url: str) -> str:
    """Buy something with a card on the page of a sandbox that runs elsewhere; the session's id."""
    client = StripeClient(KEY, base_addresses={"api": base_url})
    parameters: Any = {"mode": "payment", "line_items": [LINE], **URLS}
    session = client.v1.checkout.sessions.create(parameters)
    assert browser.pay(str(session.url)).status == 303
    return session.id


@pytest.mark.parametrize(
    "key",
    [
        "",
        "sk_live_" + "k" * 24,
        "rk_live_" + "k" * 24,
        "sk_test_short",
        "sk_test_" + "k" * 24 + "\n",
        "sk_test_" + "-" * 24,
        "pk_test_" + "k" * 24,
    ],
)
def test_a_key_that_is_no_test_key_is_refused_and_not_repeated(key: str, tmp_path: Path) -> None:
    file = tmp_path / "data"
    with pytest.raises(NotATestKey) as refused, sandbox.running(api_key=key, data=str(file)):
        pass
    assert not key.strip() or key.strip() not in str(refused.value)
    assert not file.exists()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])  # noqa: S104  They are refused.
def test_other_machines_cannot_reach_it(host: str) -> None:
    with pytest.raises(NotLoopback), sandbox.running(api_key=KEY, host=host):
        pass


def test_every_thread_ends_with_it(receiver: Receiver) -> None:
    before = set(threading.enumerate())
    with sandbox.running(api_key=KEY, webhook_url=receiver.url) as running:
        client_of(running).v1.customers.create({})
        assert {thread.name for thread in threading.enumerate()} > {thread.name for thread in before}
    assert {thread for thread in set(threading.enumerate()) - before if thread.name.startswith("sandbox")} == set()


def test_a_file_of_another_kind_is_left_alone(tmp_path: Path) -> None:
    other, older, foreign = tmp_path / "letter.txt", tmp_path / "older.db", tmp_path / "foreign.db"
    other.write_text("not a database, and longer than a header " * 10, encoding="utf-8")
    with sqlite3.connect(older) as connection:
        connection.execute("PRAGMA user_version = 99")
    connection.close()
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE letter (text TEXT)")
    connection.close()
    for file in (other, older, foreign):
        before = file.read_bytes()
        with pytest.raises(WrongFile), sandbox.running(api_key=KEY, data=str(file)):
            pass
        assert file.read_bytes() == before


def test_a_restart_finds_everything_and_sends_what_was_not_delivered(tmp_path: Path, receiver: Receiver) -> None:
    data = str(tmp_path / "stripe.db")
    with sandbox.running(api_key=KEY, data=data, webhook_url="http://127.0.0.1:9/elsewhere", seed="x") as running:
        account = client_of(running).v1.accounts.retrieve_current().id
        running.webhook_faults(WebhookFaults(delay_seconds=3600))
        customer = client_of(running).v1.customers.create({}, {"idempotency_key": "k"})
        running.advance(1000)
        offset = running.world.clock.offset
    assert receiver.deliveries == []
    with sandbox.running(api_key=KEY, data=data, webhook_url=receiver.url, webhook_secret=SECRET, seed="x") as running:
        client = client_of(running)
        assert client.v1.accounts.retrieve_current().id == account
        assert client.v1.customers.create({}, {"idempotency_key": "k"}).id == customer.id
        assert client.v1.customers.create({}).id != customer.id
        assert running.world.clock.offset == offset
        assert len(client.v1.webhook_endpoints.list().data) == 1
        running.retry()
        assert running.drain()
    assert receiver.types == ["customer.created"] * 2


def test_a_seed_repeats_no_id_in_one_file(tmp_path: Path) -> None:
    made = []
    for _ in range(3):
        with sandbox.running(api_key=KEY, data=str(tmp_path / "stripe.db"), seed="x") as running:
            made.append(running.world.ids.new("x_"))
    assert len(set(made)) == 3


def test_the_program_says_when_it_is_ready_and_stops_when_told(tmp_path: Path, receiver: Receiver) -> None:
    data = tmp_path / "stripe.db"
    with program("--data", str(data), "--webhook-url", receiver.url) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        line = process.stdout.readline()
        assert line.startswith("sandbox ready on http://127.0.0.1:")
        base_url = line.split()[-1]
        session = pay_once(base_url)
        browser.request("POST", f"{base_url}/_sandbox/webhooks/drain")
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        log = process.stderr.read()
    assert f"POST /c/pay/{session} 303" in log
    assert "checkout.session.completed" in receiver.types
    assert data.stat().st_mode & 0o077 == 0
    for secret in (browser.CARDS["visa"], KEY, SECRET, "ada@example.com", "Ada Lovelace"):
        assert secret not in log
    kept = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert session.encode() in kept
    assert browser.CARDS["visa"].encode() not in kept
    assert KEY.encode() not in kept


def test_the_program_says_why_it_does_not_start(tmp_path: Path) -> None:
    with program("--data", str(tmp_path / "x"), key="sk_live_" + "k" * 24) as process:
        out, err = process.communicate(timeout=30)
    assert process.returncode == 2
    assert "never a live one" in err
    assert "kkk" not in out + err


def test_a_killed_program_loses_nothing_that_it_answered(tmp_path: Path) -> None:
    data = str(tmp_path / "stripe.db")
    with program("--data", data) as process:
        assert process.stdout is not None
        session = pay_once(process.stdout.readline().split()[-1])
        process.kill()
    with sandbox.running(api_key=KEY, data=data) as running:
        assert running.stored(session)["payment_status"] == "paid"


def test_the_product_never_imports_it() -> None:
    own = {"sandbox", "tests", "launcher"}
    apps = [folder for folder in CHECKOUT.iterdir() if (folder / "__init__.py").is_file() and folder.name not in own]
    assert {"billing_platform", "core"} <= {folder.name for folder in apps}
    found = [
        path
        for folder in apps
        for path in folder.rglob("*.py")
        if any(line.startswith(("import sandbox", "from sandbox")) for line in path.read_text(encoding="utf-8").splitlines())
    ]
    assert found == []


def test_it_needs_nothing_of_the_product(tmp_path: Path) -> None:
    script = "import sys, sandbox; print(*sorted({name.split('.')[0] for name in sys.modules}))"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT)}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert not {"billing_platform", "core", "accounts", "credits", "usage", "payments", "stripe", "djstripe"} & set(done.stdout.split())


def test_card_numbers_are_blotted_out_of_recorded_exchanges(local: Sandbox) -> None:
    card: Any = {"number": "4242424242424242", "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    client_of(local).v1.payment_methods.create({"type": "card", "card": card})
    assert "4242424242424242" not in str(local.exchanges)
    assert "[number]" in str(local.exchanges)
