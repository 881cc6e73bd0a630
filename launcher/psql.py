"""SQL for the launcher itself, through the `psql` that comes with the server: the launcher imports no driver."""

import os
import subprocess
from pathlib import Path

from launcher.console import Failure


def run(binaries: Path, url: str, sql: str, **values: str) -> list[str]:
    """Run SQL; each `:'name'` in it is one of the values, quoted by psql. Returns the lines of the answer."""
    done = _psql(binaries, url, sql, values)
    if done.returncode != 0:
        raise Failure("database", f"psql: {done.stderr.strip()[-500:]}", "mend what it names, then try again")
    return done.stdout.splitlines()


def answers(binaries: Path, url: str) -> bool:
    """Whether the server lets us in and answers."""
    return _psql(binaries, url, "SELECT 1", {}).returncode == 0


def _psql(binaries: Path, url: str, sql: str, values: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The URL goes by the environment: it holds a password, and arguments are public."""
    assignments = [part for name, value in values.items() for part in ("-v", f"{name}={value}")]
    scheme, _, rest = url.partition("://")
    user_password, _, host_database = rest.rpartition("@")
    user, _, password = user_password.partition(":")
    return subprocess.run(
        [
            str(binaries / "psql"),
            *("-X", "-A", "-t", "-q", "-w", "-v", "ON_ERROR_STOP=1"),
            *assignments,
            *("-d", f"{scheme}://{user}@{host_database}"),
        ],
        input=sql,
        env={**os.environ, "PGPASSWORD": password, "PGCONNECT_TIMEOUT": "3"},
        capture_output=True,
        text=True,
        check=False,
    )
