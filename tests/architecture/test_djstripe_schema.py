"""
The tests, and the launcher's template, make dj-stripe's tables from one generated file. It says what dj-stripe's own
migrations say, which take minutes.
"""

from typing import Any

from django.db.migrations.autodetector import MigrationAutodetector
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.operations import RunPython, RunSQL
from django.db.migrations.state import ProjectState

APP = "djstripe"


def _loaded(settings: Any, modules: dict[str, str]) -> MigrationLoader:
    settings.MIGRATION_MODULES = modules
    return MigrationLoader(None)


def _state(loader: MigrationLoader) -> ProjectState:
    return loader.project_state(loader.graph.leaf_nodes(APP))


def test_the_one_file_schema_is_what_djstripes_own_migrations_make(settings: Any) -> None:
    quick = _loaded(settings, {APP: "tests.djstripe_schema.migrations"})
    real = _loaded(settings, {})
    assert len(real.graph.leaf_nodes(APP)) == 1
    difference = MigrationAutodetector(_state(real), _state(quick)).changes(graph=real.graph)
    assert difference.get(APP, []) == []
    assert {name for app, name in _state(quick).models if app == APP} == {name for app, name in _state(real).models if app == APP}


def test_djstripes_own_migrations_do_nothing_that_a_schema_cannot_say(settings: Any) -> None:
    real = _loaded(settings, {})
    operations = [operation for (app, _), migration in real.disk_migrations.items() if app == APP for operation in migration.operations]
    assert operations
    assert not [operation for operation in operations if isinstance(operation, RunPython | RunSQL)]
