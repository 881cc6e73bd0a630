"""A web server as in production, for what only real HTTP shows."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def web_address() -> Iterator[str]:
    """`host:port` of gunicorn with our application; its requests here touch no database."""
    address = f"127.0.0.1:{_free_port()}"
    server = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "billing_platform.wsgi:application", "--worker-class", "gthread", "--threads", "2"],
        cwd=ROOT,
        env={**os.environ, "GUNICORN_CMD_ARGS": f"--bind={address} --no-control-socket --log-level=error"},
    )
    try:
        _wait_for(address, server)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(address: str, server: subprocess.Popen[bytes]) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and server.poll() is None:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail("gunicorn did not start")
