"""Without a secret to check webhooks by, whoever takes them does not start; who only works on what was taken does."""

import pytest

from launcher import children, ports
from launcher.children import Command
from launcher.product import Product
from tests.scenarios.machine import PATIENCE_SECONDS
from tests.scenarios.till import Till


def without_secret(till: Till, secrets: str) -> Product:
    return Product(till.machine.state, {**till.machine.product.environment, "STRIPE_WEBHOOK_SECRETS": secrets})


@pytest.mark.parametrize("secrets", ["", ",", "whsec_short", "whsec_0123456789abcdef,whsec_short"])
def test_the_web_process_does_not_start_without_a_whole_webhook_secret(till: Till, secrets: str) -> None:
    port = ports.any_free()
    web = children.start(without_secret(till, secrets).web(port))
    try:
        assert web.process.wait(PATIENCE_SECONDS) != 0
    finally:
        web.stop()
    assert "STRIPE_WEBHOOK_SECRETS: give the signing secret of the webhook endpoint" in web.written()
    assert ports.is_free(port)
    assert "whsec_short" not in web.written()


def test_worker_and_beat_start_without_a_webhook_secret(till: Till) -> None:
    product = without_secret(till, "")
    assert_starts(product.worker(), " ready.")
    assert_starts(product.beat(), "beat: Starting")


def assert_starts(command: Command, word: str) -> None:
    child = children.start(command)
    try:
        children.await_ready(child, lambda: word in child.written(), seconds=PATIENCE_SECONDS)
    finally:
        ended = child.stop()
    assert ended == 0, child.written()
