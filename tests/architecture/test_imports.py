"""Imports point downwards: .importlinter holds, and the launcher needs nothing but Python."""

import ast
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def _imported(path: Path) -> set[str]:
    """The top-level packages that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_every_import_contract_is_kept() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_launcher_needs_only_the_standard_library() -> None:
    allowed = {*sys.stdlib_module_names, "launcher"}
    foreign = {path.name: _imported(path) - allowed for path in (CHECKOUT / "launcher").glob("*.py")}
    assert {name: names for name, names in foreign.items() if names} == {}


REPORTS = {"read_days", "read_call_stats", "read_windows", "find_lifetime"}


def test_an_account_s_roll_ups_are_read_only_where_they_are_counted_first() -> None:
    ours = (path for app in ("billing_platform", "accounts", "credits", "payments", "usage") for path in (CHECKOUT / app).rglob("*.py"))
    readers = {
        str(path.relative_to(CHECKOUT))
        for path in ours
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.ImportFrom) and REPORTS & {alias.name for alias in node.names}
    }
    assert readers == {"usage/selectors/__init__.py", "usage/services/reports.py"}
