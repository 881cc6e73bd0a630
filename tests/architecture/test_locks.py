"""The lock files are what `make lock` would write, as far as one can tell without a network."""

import re
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

CHECKOUT = Path(__file__).resolve().parents[2]


def _wanted(name: str) -> list[Requirement]:
    lines = (CHECKOUT / name).read_text(encoding="utf-8").splitlines()
    return [Requirement(line) for line in lines if line and line[0] not in "#-"]


def _pinned(name: str) -> dict[str, Version]:
    text = (CHECKOUT / name).read_text(encoding="utf-8")
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^ ;\\]+)", text, re.MULTILINE)
    return {canonicalize_name(package): Version(version) for package, version in pins}


def _stale(wanted: list[Requirement], pinned: dict[str, Version]) -> list[str]:
    found = [(one, pinned.get(canonicalize_name(one.name))) for one in wanted]
    return [str(one) for one, version in found if version is None or version not in one.specifier]


def test_production_lock_fits_its_requirements() -> None:
    assert _stale(_wanted("requirements.in"), _pinned("requirements.txt")) == []


def test_development_lock_fits_its_requirements() -> None:
    assert _stale(_wanted("requirements-dev.in"), _pinned("requirements-dev.txt")) == []


def test_development_has_the_versions_of_production() -> None:
    development = _pinned("requirements-dev.txt")
    assert {name: version for name, version in _pinned("requirements.txt").items() if development[name] != version} == {}


def test_every_pin_has_a_hash() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        blocks = re.split(r"^(?=[A-Za-z0-9])", (CHECKOUT / name).read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert [block.split()[0] for block in blocks if "==" in block and "--hash=sha256:" not in block] == []
