"""
Which processes work how long: a ratio of rates says little where others use the machine as well, seconds of CPU say the same then.

Linux only, and a database on the same machine; elsewhere the sums are 0.
"""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from django.db import connection

_TICK: Final = 1 / os.sysconf("SC_CLK_TCK")
_USER, _SYSTEM = 11, 12
"""Fields of /proc/<pid>/stat, counted behind the command's closing parenthesis."""


@dataclass(frozen=True)
class Worked:
    """Seconds of CPU so far: by process of the web server, by session of the database, of the clients (this process)."""

    web: dict[int, float]
    database: dict[int, float]
    clients: float

    def since(self, before: "Worked") -> dict[str, float]:
        """Seconds between two moments. A process that came or went meanwhile counts from its start, or not at all."""
        return {
            "web": gained(before.web, self.web),
            "database": gained(before.database, self.database),
            "clients": self.clients - before.clients,
        }


_SESSIONS: Final = """
SELECT pid FROM pg_stat_activity
WHERE datname = coalesce((SELECT datname FROM pg_stat_activity WHERE pid = %(but)s), current_database())
    AND pid NOT IN (pg_backend_pid(), %(but)s)
"""


def worked(web: int | None, *, but: int = 0) -> Worked:
    """
    Now, of the web server with this pid, where there is one, and of the database's sessions but this one.

    but: a session that is left out, and says by its place which database is meant.
    """
    with connection.cursor() as cursor:
        cursor.execute(_SESSIONS, {"but": but})
        sessions = [pid for (pid,) in cursor.fetchall()]
    return Worked({} if web is None else seconds_of([web, *children(web)]), seconds_of(sessions), time.process_time())


def gained(before: dict[int, float], after: dict[int, float]) -> float:
    """Seconds of CPU of all of them between two moments."""
    return sum(seconds - before.get(pid, 0.0) for pid, seconds in after.items())


def seconds_of(pids: Iterable[int]) -> dict[int, float]:
    """Seconds of CPU so far, by process; one that is gone is left out."""
    return {pid: seconds for pid in pids if (seconds := _seconds(pid)) is not None}


def children(pid: int) -> list[int]:
    """The processes that this one has started: a web server's workers."""
    listed = Path(f"/proc/{pid}/task/{pid}/children")
    return [int(child) for child in listed.read_text().split()] if listed.exists() else []


def _seconds(pid: int) -> float | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[_USER]) + int(fields[_SYSTEM])) * _TICK
