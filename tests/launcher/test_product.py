"""What the product is started with, and the stand-in for Stripe beside it."""

import json
from urllib.request import Request, urlopen

import pytest

from launcher import children, ports, product
from launcher.children import Child
from launcher.console import Failure
from launcher.product import Product
from launcher.servers import Servers
from launcher.state import State

PATIENCE_SECONDS = 60
LIVE = {
    "STRIPE_LIVE_MODE": "1",
    "STRIPE_LIVE_SECRET_KEY": "sk_live_0123456789abcdefghijklmn",
    "STRIPE_TEST_SECRET_KEY": "sk_test_of_somebodys_own_account",
    "STRIPE_API_HOST": "https://api.stripe.com",
    "STRIPE_WEBHOOK_SECRETS": "whsec_of_somebodys_own_account",
}


@pytest.fixture
def outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """Servers of somebody else's, so that none is started."""
    monkeypatch.setenv("DATABASE_URL", "postgres://nobody:nothing@127.0.0.1:1/nothing")
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")


def is_up(port: int) -> bool:
    try:
        with urlopen(f"http://{ports.HOST}:{port}/_sandbox/health", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def start_sandbox(one: Product, port: int, web_port: int = 8000) -> Child:
    return children.start(one.sandbox(port, web_port))


def told_of_events(one: Product, port: int) -> list[str]:
    """Where the sandbox sends its webhooks."""
    key = product.stripe_key(one.state)
    asked = Request(f"http://{ports.HOST}:{port}/v1/webhook_endpoints", headers={"Authorization": f"Bearer {key}"})
    with urlopen(asked, timeout=5) as answer:  # noqa: S310  The sandbox is on this machine.
        return [each["url"] for each in json.load(answer)["data"]]


def test_payments_go_to_the_sandbox_whatever_keys_the_caller_has(own_state: State, outside: None, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LIVE.items():
        monkeypatch.setenv(name, value)
    environment = product.environment(Servers(own_state, None, None), sandbox_port=12345)
    assert environment["STRIPE_LIVE_MODE"] == "0"
    assert environment["STRIPE_API_HOST"] == "http://127.0.0.1:12345"
    assert environment["STRIPE_TEST_SECRET_KEY"] == product.stripe_key(own_state)
    assert environment["STRIPE_WEBHOOK_SECRETS"] == product.webhook_secret(own_state)


def test_the_sandbox_starts_keeps_its_secrets_out_of_its_arguments_and_stops_when_asked(own_state: State, outside: None) -> None:
    one, port = Product(own_state, product.environment(Servers(own_state, None, None))), ports.any_free()
    child = start_sandbox(one, port)
    try:
        children.await_ready(child, lambda: is_up(port), seconds=PATIENCE_SECONDS)
        told = " ".join(child.command.arguments)
        assert product.stripe_key(own_state) not in told
        assert product.webhook_secret(own_state) not in told
    finally:
        assert child.stop() == 0
    assert ports.is_free(port)


def test_a_sandbox_started_beside_a_web_server_on_another_port_sends_its_webhooks_there_alone(own_state: State, outside: None) -> None:
    one, port = Product(own_state, product.environment(Servers(own_state, None, None))), ports.any_free()
    for web_port in (8000, 8001):
        child = start_sandbox(one, port, web_port)
        try:
            children.await_ready(child, lambda: is_up(port), seconds=PATIENCE_SECONDS)
            assert told_of_events(one, port) == [f"http://127.0.0.1:{web_port}/payment/webhook/stripe"]
        finally:
            child.stop()


def test_a_sandbox_that_dies_is_named_with_how_it_ended(own_state: State, outside: None) -> None:
    one, port = Product(own_state, product.environment(Servers(own_state, None, None))), ports.any_free()
    child = start_sandbox(one, port)
    try:
        children.await_ready(child, lambda: is_up(port), seconds=PATIENCE_SECONDS)
        child.process.kill()
        child.process.wait()
        with pytest.raises(Failure, match="SIGKILL") as told:
            children.raise_if_dead(child)
        assert told.value.part == "sandbox"
    finally:
        child.stop()


def test_a_sandbox_whose_port_is_taken_says_so_and_ends(own_state: State, outside: None) -> None:
    one, port = Product(own_state, product.environment(Servers(own_state, None, None))), ports.any_free()
    first = start_sandbox(one, port)
    try:
        children.await_ready(first, lambda: is_up(port), seconds=PATIENCE_SECONDS)
        second = start_sandbox(one, port)
        assert second.process.wait(PATIENCE_SECONDS) == 2
        assert "Address already in use" in second.written()
        assert is_up(port)
    finally:
        first.stop()
