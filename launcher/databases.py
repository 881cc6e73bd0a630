"""
The databases of this checkout, made quickly.

dj-stripe's own migrations take minutes on an empty database. So the tables are made once, in `billing_template`, with
dj-stripe's in one piece as the tests make them (tests/architecture/test_djstripe_schema.py: the same tables), and every
other database is copied from that. Which migrations a database holds is noted in its comment, file by file.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from launcher import postgres, product, psql
from launcher.console import Failure, say, step
from launcher.locks import FileLock
from launcher.product import DATABASE, Product
from launcher.servers import Servers
from launcher.state import CHECKOUT

TEMPLATE: Final = "billing_template"
LOCK_NAME: Final = "requirements.txt"
TURN_SECONDS: Final = 300


@dataclass(frozen=True)
class Catalog:
    """The databases of one server, as psql sees them."""

    binaries: Path
    url: str

    def exists(self, name: str) -> bool:
        """Whether there is a database of that name."""
        return bool(self._ask("SELECT 1 FROM pg_database WHERE datname = :'name'", name=name))

    def identity(self, name: str) -> str:
        """Another one for every database ever made, also of the same name."""
        return "".join(self._ask("SELECT oid FROM pg_database WHERE datname = :'name'", name=name))

    def migrations(self, name: str) -> dict[str, str]:
        """The migration files it holds, by digest; empty if none was ever noted."""
        sql = "SELECT shobj_description(oid, 'pg_database') FROM pg_database WHERE datname = :'name'"
        noted = "".join(self._ask(sql, name=name))
        content = json.loads(noted) if noted else {}
        return {str(file): str(digest) for file, digest in content.items()}

    def note_migrations(self, name: str, files: dict[str, str]) -> None:
        """Note what a database holds now."""
        self._ask(f"COMMENT ON DATABASE {name} IS :'files'", files=json.dumps(files))

    def create(self, name: str, template: str = "template1") -> None:
        """A copy of the template; nobody may be connected to that."""
        self._ask(f"CREATE DATABASE {name} TEMPLATE {template}")

    def drop(self, name: str) -> None:
        """Remove it, with whoever is connected."""
        self._ask(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")

    def is_empty(self, name: str) -> bool:
        """Whether nothing was ever migrated there."""
        url = self.url.rpartition("/")[0]
        return psql.run(self.binaries, f"{url}/{name}", "SELECT to_regclass('django_migrations')") == [""]

    def _ask(self, sql: str, **values: str) -> list[str]:
        return psql.run(self.binaries, self.url, sql, **values)


def open_catalog(servers: Servers) -> Catalog | None:
    """The catalog of our own server; None where DATABASE_URL names one that is not ours to arrange."""
    if servers.database is None:
        return None
    return Catalog(postgres.find_binaries(servers.state), servers.database_url("postgres"))


@contextmanager
def own_turn(servers: Servers) -> Iterator[None]:
    """Databases are arranged by one command at a time: two would make the template twice."""
    with FileLock(servers.state.path("keepers", "databases.turn")) as turn:
        if not turn.take(seconds=TURN_SECONDS):
            raise Failure("database", "another command is still making the databases", "wait for it, or end it")
        yield


def wanted_migrations() -> dict[str, str]:
    """Every migration of the checkout by the digest of what it runs; the packages' by the lock."""
    files = sorted(CHECKOUT.glob("[a-z]*/migrations/[0-9]*.py"))
    return {str(path.relative_to(CHECKOUT)): _digest(path) for path in [*files, CHECKOUT / LOCK_NAME]}


def ready_database(servers: Servers) -> None:
    """Bring the platform's database up to date, keeping what is in it; copy it from the template if there is none."""
    catalog = open_catalog(servers)
    if catalog is None:
        _migrate(servers, DATABASE, "the database that DATABASE_URL names")
        return
    with own_turn(servers):
        _ready_own(servers, catalog, wanted_migrations())
    say("database", f"{DATABASE} is up to date")


def _ready_own(servers: Servers, catalog: Catalog, wanted: dict[str, str]) -> None:
    if not catalog.exists(DATABASE) or catalog.is_empty(DATABASE):
        _ready_template(servers, catalog, wanted)
        copy_template(catalog, DATABASE)
    elif catalog.migrations(DATABASE) != wanted:
        _refuse_rewritten(catalog.migrations(DATABASE), wanted)
        _migrate(servers, DATABASE, "new migrations; the data stays")
        catalog.note_migrations(DATABASE, wanted)


def fresh_database(servers: Servers, name: str) -> None:
    """A database of that name with every table and no row, for a benchmark or an experiment."""
    catalog = open_catalog(servers)
    if catalog is not None:
        with own_turn(servers):
            _ready_template(servers, catalog, wanted_migrations())
            copy_template(catalog, name)


def present_database(servers: Servers) -> None:
    """For any command: the platform's database exists, from the template if that fits, else empty. Migrates nothing."""
    catalog = open_catalog(servers)
    if catalog is None or catalog.exists(DATABASE):
        return
    with own_turn(servers):
        if catalog.exists(TEMPLATE) and catalog.migrations(TEMPLATE) == wanted_migrations():
            copy_template(catalog, DATABASE)
        elif not catalog.exists(DATABASE):
            catalog.create(DATABASE)


def copy_template(catalog: Catalog, name: str) -> None:
    """Make a database anew from the template."""
    files = catalog.migrations(TEMPLATE)
    catalog.drop(name)
    catalog.create(name, TEMPLATE)
    catalog.note_migrations(name, files)


def is_forward(held: dict[str, str], wanted: dict[str, str]) -> bool:
    """Whether `migrate` leads from one to the other: files were added, none that has run was changed or removed."""
    return all(wanted.get(file) == digest for file, digest in held.items() if file != LOCK_NAME)


def _ready_template(servers: Servers, catalog: Catalog, wanted: dict[str, str]) -> None:
    held = catalog.migrations(TEMPLATE) if catalog.exists(TEMPLATE) else {}
    if held == wanted:
        return
    if not held or not is_forward(held, wanted):
        catalog.drop(TEMPLATE)
        catalog.create(TEMPLATE)
        _make_tables(servers, TEMPLATE)
    else:
        _migrate(servers, TEMPLATE, "adding new migrations to the template")
    catalog.note_migrations(TEMPLATE, wanted)


def _refuse_rewritten(held: dict[str, str], wanted: dict[str, str]) -> None:
    if not is_forward(held, wanted):
        changed = sorted(file for file, digest in held.items() if wanted.get(file) != digest and file != LOCK_NAME)
        raise Failure(
            "database",
            f"migrations that this database has run were changed since: {', '.join(changed)}",
            "restore them, or `make reset` for a new database (deletes the local data)",
        )


def _migrate(servers: Servers, database: str, why: str) -> None:
    one = Product(servers.state, product.environment(servers, database=database))
    with step("database", why) as under_way:
        one.manage("migrate", "--noinput", "--verbosity", "0")
        under_way.done = "migrated"


def _make_tables(servers: Servers, database: str) -> None:
    """Every table of an empty database. dj-stripe's come from its one-file schema; its own history is noted as run."""
    one = Product(servers.state, product.environment(servers, database=database))
    with step("database", "making every table, this once; dj-stripe alone brings sixty") as under_way:
        one.manage("migrate", "--noinput", "--verbosity", "0", "--settings", "tests.settings")
        one.manage("migrate", "djstripe", "--fake", "--noinput", "--verbosity", "0")
        under_way.done = "every table made; the next start copies them"


def _digest(path: Path) -> str:
    """Of the file, and of the SQL files of its app that it names."""
    content = path.read_bytes()
    named = sorted(set(re.findall(rb"[a-z_]+\.sql", content)))
    files = [path.parent.parent / "sql" / name.decode("ascii") for name in named]
    return hashlib.sha256(content + b"".join(file.read_bytes() for file in files if file.exists())).hexdigest()[:12]
