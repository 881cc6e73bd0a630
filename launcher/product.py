"""How the product is started: its three processes, its environment, its management commands."""

import hashlib
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from launcher.children import Command, dies_with_parent
from launcher.console import Failure
from launcher.ports import HOST
from launcher.servers import Servers
from launcher.state import CHECKOUT, State

DATABASE: Final = "billing"
LOCK: Final = CHECKOUT / "requirements.txt"

SANDBOX_PORT: Final = 12111
WEBHOOK_PATH: Final = "/payment/webhook/stripe"

# docker-compose.yml starts the same three; tests/architecture/test_compose.py compares them.
WEB: Final = shlex.split(
    "python -m gunicorn billing_platform.wsgi:application"
    " --worker-class gthread --preload --workers 2 --threads 4 --graceful-timeout 20 --no-control-socket"
)
WORKER: Final = shlex.split("python -m celery -A billing_platform worker --loglevel info --concurrency 2 --without-gossip --without-mingle")
BEAT: Final = shlex.split("python -m celery -A billing_platform beat --loglevel info --schedule")


@dataclass(frozen=True)
class Product:
    """The product on these servers, in this environment."""

    state: State
    environment: Mapping[str, str]

    def sandbox(self, port: int, web_port: int) -> Command:
        """The stand-in for Stripe: its pages take test cards, its webhooks go to the web server."""
        data, webhook = str(self.state.path("sandbox", "stripe.sqlite3")), f"http://{HOST}:{web_port}{WEBHOOK_PATH}"
        arguments = ["python", "-m", "sandbox", "--port", str(port), "--data", data, "--webhook-url", webhook]
        secrets = {"SANDBOX_API_KEY": stripe_key(self.state), "SANDBOX_WEBHOOK_SECRET": webhook_secret(self.state)}
        return self._process("sandbox", arguments, stop_seconds=10, environment={**self.environment, **secrets})

    def web(self, port: int) -> Command:
        """The web server. Its address goes by the environment, where it differs between machines."""
        own = {"GUNICORN_CMD_ARGS": f"--bind={HOST}:{port}"}
        return self._process("web", WEB, stop_seconds=25, environment={**self.environment, **own})

    def worker(self) -> Command:
        """The job worker; SIGTERM lets the running jobs finish."""
        return self._process("worker", WORKER, stop_seconds=60)

    def beat(self) -> Command:
        """The clock that asks for periodic jobs."""
        return self._process("beat", [*BEAT, str(self.state.path("beat", "schedule"))], stop_seconds=10)

    def manage(self, *arguments: str) -> str:
        """Run a management command; its output. Raises Failure, with what it wrote, if it does not exit with 0."""
        log = self.state.log("manage")
        with log.open("w", encoding="utf-8") as stream:
            done = subprocess.run(
                [sys.executable, "manage.py", *arguments],
                cwd=CHECKOUT,
                env=dict(self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=stream,
                text=True,
                preexec_fn=dies_with_parent(signal.SIGTERM),
                check=False,
            )
            stream.write(done.stdout)
        if done.returncode != 0:
            reason = f"manage.py {arguments[0]} ended with exit code {done.returncode}"
            raise Failure(arguments[0], reason, "mend what the lines below name", log)
        return done.stdout

    def _process(
        self, name: str, arguments: Sequence[str], *, stop_seconds: float, environment: Mapping[str, str] | None = None
    ) -> Command:
        return Command(
            name=name,
            arguments=[sys.executable, *arguments[1:]],
            log=self.state.log(name),
            environment=environment or self.environment,
            folder=str(CHECKOUT),
            stop_seconds=stop_seconds,
        )


def stripe_key(state: State) -> str:
    """The one key that this checkout's sandbox takes."""
    return f"sk_test_{state.secret('stripe_key')}"


def webhook_secret(state: State) -> str:
    """What this checkout's sandbox signs its webhooks with."""
    return f"whsec_{state.secret('stripe_webhook')}"


def environment(
    servers: Servers, *, database: str = DATABASE, redis_number: int = 0, port: int = 8000, sandbox_port: int = SANDBOX_PORT
) -> dict[str, str]:
    """
    What settings.py reads, for a machine of one's own. Whatever the caller's environment sets already, stays, except that
    payments go to the sandbox: nothing here charges a real card.
    """
    state = servers.state
    local = {
        "SECRET_KEY": state.secret("secret_key"),
        "LOCAL_HTTP": "1",
        "ALLOWED_HOSTS": "127.0.0.1,localhost",
        "PUBLIC_URL": f"http://{HOST}:{port}",
        "EMAIL_URL": f"filemail:///{state.path('mail', 'x').parent}",  # Four slashes in all: the path is absolute.
        "STATIC_ROOT": str(state.path("static")),
        "THROTTLE_REGISTER": "1000/hour",
    }
    given = {
        "DATABASE_URL": servers.database_url(database),
        "REDIS_URL": servers.redis_url(redis_number),
        "STRIPE_LIVE_MODE": "0",
        "STRIPE_API_HOST": f"http://{HOST}:{sandbox_port}",
        "STRIPE_TEST_SECRET_KEY": stripe_key(state),
        "STRIPE_WEBHOOK_SECRETS": webhook_secret(state),
        "PYTHONUNBUFFERED": "1",
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]),
    }
    return {**local, **os.environ, **given}


def collect_static(product: Product) -> bool:
    """Gather the admin's and Swagger's files, unless nothing has changed since; whether there was anything to do."""
    stamp = product.state.path("static.stamp")
    wanted = _static_fingerprint()
    if stamp.exists() and stamp.read_text(encoding="ascii") == wanted and product.state.path("static").is_dir():
        return False
    product.manage("collectstatic", "--noinput", "--clear", "--verbosity", "0")
    stamp.write_text(wanted, encoding="ascii")
    return True


def source_fingerprint() -> str:
    """Changes with any file of the product's code, by size and time."""
    return _fingerprint(path for folder in CHECKOUT.glob("[a-z]*/") for path in folder.rglob("*.py"))


def _static_fingerprint() -> str:
    """The lock names the packages' files; our own are named by size and time."""
    return _fingerprint(CHECKOUT.glob("[a-z]*/static/**/*"))


def _fingerprint(paths: Iterable[Path]) -> str:
    digest = hashlib.sha256(LOCK.read_bytes())
    for path in sorted(paths):
        status = path.stat()
        digest.update(f"{path}:{status.st_size}:{status.st_mtime_ns}".encode())
    return digest.hexdigest()
