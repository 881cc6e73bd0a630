"""The web servers that are measured: the product's, and a bare one under the same command."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from benchmarks.counter import Counter, running_counter
from launcher.product import WEB

PRODUCT: Final = "billing_platform.wsgi:application"
_UNLIMITED: Final = "1000000/min"
_SETTINGS: Final = {
    "LOCAL_HTTP": "1",
    "ALLOWED_HOSTS": "127.0.0.1",
    "LOG_LEVEL": "WARNING",
    "THROTTLE_WRITE": _UNLIMITED,
    "THROTTLE_STATEMENT": _UNLIMITED,
}
FLOOR: Final = "benchmarks.floor_web:application"


@dataclass(frozen=True)
class Web:
    """A web server's port on 127.0.0.1, and the process whose children its workers are. The product's has a counter beside it."""

    port: int
    pid: int
    counter: Counter | None = None


@dataclass(frozen=True)
class Servers:
    """The product's and the floor's."""

    product: Web
    floor: Web


@contextmanager
def running_servers() -> Iterator[Servers]:
    """Both, with the same workers and threads. They share the cores, but only one of them is asked at a time."""
    with running_product() as product, _running(FLOOR) as floor:
        yield Servers(product, floor)


@contextmanager
def running_product(**given: str) -> Iterator[Web]:
    """The product's alone, with these settings over its own, and what counts for it."""
    with _running(PRODUCT, given) as web, running_counter({**os.environ, **_SETTINGS, **given}) as counter:
        yield replace(web, counter=counter)


@contextmanager
def _running(application: str, given: Mapping[str, str] | None = None) -> Iterator[Web]:
    """A web server as the launcher and compose start it, of this application."""
    port = _free_port()
    command = [application if part == PRODUCT else part for part in WEB[1:]]
    command = [sys.executable, *command, "--bind", f"127.0.0.1:{port}", "--log-level", "warning"]
    web = subprocess.Popen(command, env={**os.environ, **_SETTINGS, **(given or {})})
    try:
        _wait_until_ready(f"http://127.0.0.1:{port}/healthz", web)
        yield Web(port, web.pid)
    finally:
        web.terminate()
        web.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


def _wait_until_ready(url: str, web: "subprocess.Popen[bytes]") -> None:
    for _ in range(600):
        if web.poll() is not None:
            raise RuntimeError("the web server ended before it was ready")
        try:
            urllib.request.urlopen(url, timeout=1).close()  # noqa: S310
        except (urllib.error.URLError, OSError):
            time.sleep(0.1)
        else:
            return
    raise RuntimeError("the web server was not ready within a minute")
