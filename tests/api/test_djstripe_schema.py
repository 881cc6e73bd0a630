"""Tests use one generated migration for dj-stripe; here it is held against dj-stripe's own ninety, which take most of a minute."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
from django.db import connection

ROOT = Path(__file__).resolve().parents[2]
_SHAPE = r"""
SELECT 'column', table_name, column_name, data_type || coalesce('(' || character_maximum_length || ')', ''), is_nullable
  FROM information_schema.columns WHERE table_schema = 'public' AND table_name LIKE 'djstripe%'
UNION ALL
SELECT 'index', tablename, '', regexp_replace(indexdef, 'INDEX \S+ ON', 'INDEX ON'), ''
  FROM pg_indexes WHERE schemaname = 'public' AND tablename LIKE 'djstripe%'
UNION ALL
SELECT 'constraint', conrelid::regclass::text, '', pg_get_constraintdef(oid), ''
  FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND conrelid::regclass::text LIKE 'djstripe%'
"""


@pytest.fixture
def scratch(db: None) -> Iterator[dict[str, Any]]:
    """How to connect to an empty database beside the test database."""
    server = {
        name: connection.get_connection_params()[name]
        for name in ("host", "port", "user", "password")
        if name in connection.get_connection_params()
    }
    name = f"{connection.settings_dict['NAME']}_scratch"
    with psycopg.connect(**server, dbname="postgres", autocommit=True) as admin:
        admin.execute(f'DROP DATABASE IF EXISTS "{name}"'.encode())
        admin.execute(f'CREATE DATABASE "{name}" TEMPLATE template0'.encode())
        yield server | {"dbname": name}
        admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())


@pytest.mark.slow
def test_the_generated_tables_are_dj_stripes_own(scratch: dict[str, Any]) -> None:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "tests.djstripe_schema.settings", "DATABASE_URL": url_of(scratch)}
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "djstripe", "--verbosity", "0", "--skip-checks"], cwd=ROOT, env=environment, check=True
    )

    with psycopg.connect(**scratch) as own, connection.cursor() as ours:
        ours.execute(_SHAPE)
        assert sorted(own.execute(_SHAPE.encode()).fetchall()) == sorted(ours.fetchall())


def url_of(server: dict[str, Any]) -> str:
    password = f":{quote(server['password'], safe='')}" if server.get("password") else ""
    return f"postgres://{server['user']}{password}@{server['host']}:{server['port']}/{server['dbname']}"
