"""
Where this checkout keeps what it makes (databases, logs, secrets), and which user the servers run as.

PostgreSQL refuses to run as root: there its servers run as `nobody`, and the folder lies where `nobody` can reach it.
"""

import hashlib
import json
import os
import pwd
import secrets
import shutil
import stat
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from launcher.console import Failure

CHECKOUT = Path(__file__).resolve().parent.parent
OUTSIDE = Path("/var/tmp")  # noqa: S108 - the one folder that survives a reboot and every user reaches; see _own_folder
SERVANTS = ("nobody", "postgres")


@dataclass(frozen=True)
class Servant:
    """The unprivileged user that servers run as when the launcher is root."""

    uid: int
    gid: int

    def popen_arguments(self) -> dict[str, Any]:
        """For `subprocess`: become this user, with no other group."""
        return {"user": self.uid, "group": self.gid, "extra_groups": []}


@dataclass(frozen=True)
class State:
    """The state folder, and the user who owns the servers' data in it."""

    folder: Path
    servant: Servant | None

    def path(self, *parts: str) -> Path:
        """A path below the folder, its parent made."""
        path = self.folder.joinpath(*parts)
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def log(self, name: str) -> Path:
        """Where a process writes."""
        return self.path("logs", f"{name}.log")

    def servants_folder(self, name: str) -> Path:
        """A folder that only the servers' user may enter."""
        folder = self.path(name)
        folder.mkdir(exist_ok=True)
        folder.chmod(0o700)
        self.give(folder)
        return folder

    def give(self, path: Path) -> None:
        """Hand a file or folder to the servers' user."""
        if self.servant is not None:
            os.chown(path, self.servant.uid, self.servant.gid)

    def secret(self, name: str) -> str:
        """A random secret of this checkout, made once, readable by its owner only."""
        path = self.path("secrets", name)
        if not path.exists():
            write_private(path, secrets.token_hex(32))
        return path.read_text(encoding="ascii")

    def as_servant(self, command: list[str]) -> subprocess.CompletedProcess[str]:
        """Run a short command as the servers' user, from `/`, without input."""
        who = self.servant.popen_arguments() if self.servant else {}
        try:
            return subprocess.run(command, cwd="/", stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False, **who)
        except OSError as error:
            return subprocess.CompletedProcess(command, 126, "", str(error))


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner may read, whole or not at all."""
    fresh = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
    fresh.replace(path)


def read_json(path: Path) -> dict[str, Any]:
    """A small JSON file; empty if it is missing or half written."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def find_servant() -> Servant | None:
    """The user for the servers if this is root, else None: the servers run as whoever started them."""
    if os.geteuid() != 0:
        return None
    for name in SERVANTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Servant(entry.pw_uid, entry.pw_gid)
    raise Failure("state", "PostgreSQL refuses to run as root, and there is no user 'nobody'", "run this as an ordinary user")


def open_state() -> State:
    """
    The state folder: BILLING_STATE_DIR, else `.state` in the checkout, else (as root, where the checkout
    is closed to the servers' user) a folder of ours below /var/tmp.
    """
    servant = find_servant()
    chosen = os.environ.get("BILLING_STATE_DIR")
    if chosen:
        return _made(Path(chosen).resolve(), servant)
    if servant is None or reaches(servant, CHECKOUT):
        return _made(CHECKOUT / ".state", servant)
    return _made(outside_folder(CHECKOUT), servant)


def outside_folder(checkout: Path) -> Path:
    """The folder that stands in for `.state` of a checkout the servers' user cannot reach."""
    return OUTSIDE / f"billing-platform-{hashlib.sha256(os.fsencode(checkout)).hexdigest()[:12]}"


def reaches(servant: Servant, folder: Path) -> bool:
    """Whether that user can enter the folder: asked of the system, since modes alone do not tell (ACLs, mounts)."""
    return State(folder, servant).as_servant(["/bin/sh", "-c", 'cd -- "$1"', "sh", str(folder)]).returncode == 0


def _made(folder: Path, servant: Servant | None) -> State:
    _own_folder(folder, 0o755 if servant else 0o700)
    if servant is not None and not reaches(servant, folder):
        raise Failure(
            "state",
            f"{folder} cannot be entered by the user the servers run as",
            "set BILLING_STATE_DIR to a folder that every user may enter, or run this as an ordinary user",
        )
    return State(folder, servant)


def _own_folder(folder: Path, mode: int) -> None:
    """Make the folder ours. One that somebody else put there (in /var/tmp anyone can) is refused, not trusted."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        status = folder.lstat()
        if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
            raise Failure("state", f"{folder} belongs to another user", "set BILLING_STATE_DIR to a folder of your own")
        folder.chmod(mode)
    except OSError as error:
        raise Failure("state", f"{folder}: {error.strerror}", "set BILLING_STATE_DIR to a folder of your own") from error


def remove_state(state: State) -> None:
    """Delete the folder and everything in it: databases, logs, secrets."""
    shutil.rmtree(state.folder)
