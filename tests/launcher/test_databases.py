"""Which migrations lead forward, and the template they are kept in."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from launcher import databases
from launcher.bootstrap import uv_requirement
from launcher.databases import Catalog, open_catalog
from launcher.servers import serving
from launcher.state import State


@pytest.fixture
def catalog(own_state: State, monkeypatch: pytest.MonkeyPatch) -> Iterator[Catalog]:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    monkeypatch.setenv("REDIS_URL", "redis://127.0.0.1:1/0")
    with serving(own_state, wait_at_end=True) as servers:
        opened = open_catalog(servers)
        assert opened is not None
        yield opened


def test_added_files_lead_forward() -> None:
    assert databases.is_forward({"a/0001.py": "1"}, {"a/0001.py": "1", "a/0002.py": "2"})


def test_a_changed_file_does_not() -> None:
    assert not databases.is_forward({"a/0001.py": "1"}, {"a/0001.py": "other"})


def test_a_removed_file_does_not() -> None:
    assert not databases.is_forward({"a/0001.py": "1", "a/0002.py": "2"}, {"a/0001.py": "1"})


def test_other_versions_of_packages_lead_forward() -> None:
    assert databases.is_forward({"requirements.txt": "1"}, {"requirements.txt": "2"})


def test_a_database_copied_from_the_template_holds_its_rows_and_its_note(catalog: Catalog) -> None:
    catalog.create(databases.TEMPLATE)
    catalog.note_migrations(databases.TEMPLATE, {"it's/0001.py": "1"})
    assert catalog.is_empty(databases.TEMPLATE)
    databases.copy_template(catalog, "copy")
    assert catalog.exists("copy")
    assert catalog.migrations("copy") == {"it's/0001.py": "1"}
    catalog.drop("copy")
    assert not catalog.exists("copy")


def test_uv_is_pinned_by_the_lock_with_its_hashes() -> None:
    pin = "uv==0.13.9 \\\n    --hash=sha256:bb \\\n    --hash=sha256:cc\n"
    assert uv_requirement(f"urllib3==2.8.0 \\\n    --hash=sha256:aa\n{pin}valkey==6\n") == pin


def test_a_migrations_digest_changes_with_the_sql_it_runs(tmp_path: Path) -> None:
    migration = tmp_path / "app" / "migrations" / "0002_guards.py"
    sql = tmp_path / "app" / "sql" / "guards.sql"
    for path in (migration, sql):
        path.parent.mkdir(parents=True)
    migration.write_text('migrations.RunSQL((SQL / "guards.sql").read_text())', encoding="utf-8")
    sql.write_text("SELECT 1", encoding="utf-8")
    before = databases._digest(migration)
    sql.write_text("SELECT 2", encoding="utf-8")
    assert databases._digest(migration) != before
