"""Where the sandbox keeps everything: one SQLite file (or memory), one lock, one commit per request."""

import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Json = dict[str, Any]
"""An object as it goes over the wire: names to JSON values."""

Scalar = str | int | float | None
MEMORY = ":memory:"
VERSION = 1

SCHEMA = """
CREATE TABLE object (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, created INTEGER NOT NULL,
    due_at INTEGER, body TEXT NOT NULL, private TEXT NOT NULL
);
CREATE INDEX object_of_kind ON object (kind, seq);
CREATE INDEX object_due ON object (due_at) WHERE due_at IS NOT NULL;
CREATE TABLE answered (
    key TEXT PRIMARY KEY, digest TEXT NOT NULL, endpoint TEXT NOT NULL, at INTEGER NOT NULL, status INTEGER NOT NULL, body TEXT NOT NULL
);
CREATE TABLE delivery (
    id INTEGER PRIMARY KEY AUTOINCREMENT, event TEXT NOT NULL, type TEXT NOT NULL, endpoint TEXT NOT NULL, burst TEXT NOT NULL,
    state TEXT NOT NULL, resent INTEGER NOT NULL, tries INTEGER NOT NULL, due_at REAL NOT NULL
);
CREATE INDEX delivery_pending ON delivery (due_at) WHERE state = 'pending';
CREATE INDEX delivery_of_event ON delivery (event);
CREATE TABLE attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT, delivery INTEGER NOT NULL, sent_at REAL NOT NULL, what TEXT NOT NULL, status INTEGER, error TEXT
);
CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL);
"""


class WrongFile(Exception):
    """The data file was written by another version of the sandbox, or is none of its files."""


@dataclass
class Record:
    """
    One object. `body` is what the API shows, `private` what only the sandbox knows (how a card behaves, a page's state).
    `due_at`: the second at which it changes by itself, such as a session that expires.
    """

    body: Json
    private: Json = field(default_factory=dict)
    due_at: int | None = None

    @property
    def id(self) -> str:
        """Its name, unique among all objects."""
        return str(self.body["id"])

    @property
    def kind(self) -> str:
        """Stripe's word for what it is, such as `payment_intent`."""
        return str(self.body["object"])


@dataclass(frozen=True)
class Filter:
    """A condition on objects: a constant piece of SQL and the value for its question mark."""

    sql: str
    value: Scalar


class Store:
    """The one connection. Whoever reads or writes holds its lock by `transaction()`; nobody sleeps or waits for a network in there."""

    def __init__(self, path: str) -> None:
        if path != MEMORY:
            Path(path).touch(mode=0o600)
        self._lock = threading.RLock()
        self._depth = 0
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            self._prepare(path)
        except BaseException:
            self._connection.close()
            raise

    def _prepare(self, path: str) -> None:
        try:
            version: int = self._connection.execute("PRAGMA user_version").fetchone()[0]
            tables: int = self._connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
            is_new = (version, tables) == (0, 0)
            if not is_new and version != VERSION:
                raise WrongFile(f"{path} is another program's, or was written by another version of the sandbox: name another file")
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = NORMAL")
            if is_new:
                self._connection.executescript(f"BEGIN; {SCHEMA} PRAGMA user_version = {VERSION}; COMMIT;")
        except sqlite3.DatabaseError as error:
            raise WrongFile(f"{path} is not a file of the sandbox: {error}") from error

    def close(self) -> None:
        """Close the file; what was committed stays."""
        with self._lock:
            self._connection.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Everything inside is committed together, or not at all if it raises. May be entered again inside itself."""
        with self._lock:
            if self._depth == 0:
                self._connection.execute("BEGIN IMMEDIATE")
            self._depth += 1
            try:
                yield
            except BaseException:
                self._depth -= 1
                if self._depth == 0:
                    self._connection.execute("ROLLBACK")
                raise
            self._depth -= 1
            if self._depth == 0:
                self._connection.execute("COMMIT")

    def run(self, sql: str, *values: Scalar) -> list[tuple[Any, ...]]:
        """One statement; its rows."""
        with self._lock:
            return self._connection.execute(sql, values).fetchall()

    def insert(self, record: Record, created: int) -> None:
        """Store a new object."""
        sql = "INSERT INTO object (id, kind, created, due_at, body, private) VALUES (?, ?, ?, ?, ?, ?)"
        self.run(sql, record.id, record.kind, created, record.due_at, json.dumps(record.body), json.dumps(record.private))

    def update(self, record: Record) -> None:
        """Store what an object has become."""
        sql = "UPDATE object SET due_at = ?, body = ?, private = ? WHERE id = ?"
        self.run(sql, record.due_at, json.dumps(record.body), json.dumps(record.private), record.id)

    def get(self, id_: str) -> Record | None:
        """The object of that name, if there is one."""
        rows = self.run("SELECT body, private, due_at FROM object WHERE id = ?", id_)
        return _record(rows[0]) if rows else None

    def position(self, id_: str) -> int | None:
        """Where an object stands in the order of creation."""
        rows = self.run("SELECT seq FROM object WHERE id = ?", id_)
        return int(rows[0][0]) if rows else None

    def due(self, now: int) -> Record | None:
        """The object whose change is due first, if any is."""
        sql = "SELECT body, private, due_at FROM object WHERE due_at <= ? ORDER BY due_at, seq LIMIT 1"
        rows = self.run(sql, now)
        return _record(rows[0]) if rows else None

    def newest(self, kind: str, filters: Sequence[Filter] = (), *, limit: int, oldest: bool = False) -> list[Record]:
        """Objects of a kind that meet every filter, newest first (or oldest first), at most so many."""
        conditions = " AND ".join(["kind = ?", *(each.sql for each in filters)])
        order = "ASC" if oldest else "DESC"
        # The pieces are constants of this package; every value is bound.
        sql = f"SELECT body, private, due_at FROM object WHERE {conditions} ORDER BY seq {order} LIMIT ?"  # noqa: S608
        return [_record(row) for row in self.run(sql, kind, *(each.value for each in filters), limit)]

    def setting(self, name: str) -> str | None:
        """A fact about this store as a whole."""
        rows = self.run("SELECT value FROM setting WHERE name = ?", name)
        return str(rows[0][0]) if rows else None

    def set_setting(self, name: str, value: str) -> None:
        """Store a fact about this store as a whole."""
        self.run("INSERT INTO setting (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value", name, value)


def _record(row: tuple[Any, ...]) -> Record:
    body, private, due_at = row
    return Record(json.loads(body), json.loads(private), due_at)
