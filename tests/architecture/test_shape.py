"""The budgets of CONTRIBUTING.md: short functions, short files, documented services, and names that mean something."""

import ast
import statistics
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

CHECKOUT = Path(__file__).resolve().parents[2]
APPS = ("billing_platform", "core", "accounts", "credits", "usage", "payments")
OURS = (*APPS, "sandbox", "launcher", "benchmarks")
FUNCTION_LINES_MEDIAN = 10
FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
TEST_FILE_LINES_MAX = 600


class Function(NamedTuple):
    """One function: where it is, and how many lines it takes."""

    place: str
    lines: int


@cache
def _sources(*folders: str) -> tuple[Path, ...]:
    found = (path for folder in folders for path in (CHECKOUT / folder).rglob("*.py"))
    return tuple(sorted(path for path in found if "migrations" not in path.parts))


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def _place(path: Path, node: ast.stmt) -> str:
    return f"{path.relative_to(CHECKOUT)}:{node.lineno}"


def _functions(*folders: str) -> Iterator[Function]:
    for path in _sources(*folders):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert node.end_lineno is not None
                yield Function(f"{_place(path, node)} {node.name}", node.end_lineno - node.lineno + 1)


def _line_count(path: Path) -> int:
    return len(path.read_text(encoding="utf-8").splitlines())


def test_the_median_function_is_short() -> None:
    assert statistics.median(function.lines for function in _functions(*OURS)) <= FUNCTION_LINES_MEDIAN


def test_no_function_is_long() -> None:
    assert [function for function in _functions(*OURS, "tests") if function.lines > FUNCTION_LINES_MAX] == []


def test_no_file_is_long() -> None:
    files = {path: _line_count(path) for path in _sources(*OURS)}
    assert {path.name: lines for path, lines in files.items() if lines > FILE_LINES_MAX} == {}


def test_no_test_file_is_long() -> None:
    schema = CHECKOUT / "tests" / "djstripe_schema"
    files = {path: _line_count(path) for path in _sources("tests") if schema not in path.parents}
    assert {path.name: lines for path, lines in files.items() if lines > TEST_FILE_LINES_MAX} == {}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "common", "misc"}
    assert [path for path in _sources(*OURS, "tests") if drawers & {path.stem, *path.parts}] == []


def test_every_public_service_selector_and_pure_function_is_documented() -> None:
    documented = ("services", "selectors", "reconciliation", "rating", "books")
    silent = [
        f"{_place(path, node)} {node.name}"
        for path in _sources(*APPS)
        if any(name in (path.stem, *path.parts) for name in documented)
        for node in _tree(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and ast.get_docstring(node) is None
    ]
    assert silent == []


def test_the_instant_is_given_to_services_by_keyword() -> None:
    positional = [
        f"{_place(path, node)} {node.name}"
        for path in _sources("accounts", "credits", "usage", "payments")
        if "services" in (path.stem, *path.parts)
        for node in _tree(path).body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and _takes_now(node.args.args)
    ]
    assert positional == []


def _takes_now(arguments: list[ast.arg]) -> bool:
    return any(argument.arg == "now" for argument in arguments)


def test_no_signals_no_save_overrides_and_no_hidden_order() -> None:
    found: list[str] = []
    for path in _sources(*APPS):
        for node in ast.walk(_tree(path)):
            if isinstance(node, ast.ImportFrom) and node.module in {"django.dispatch", "django.db.models.signals"}:
                found.append(f"{_place(path, node)} signals")
            if isinstance(node, ast.ClassDef) and "models" in (path.stem, *path.parts):
                found += [f"{_place(path, each)} {node.name}" for each in node.body if _is_hidden(node, each)]
    assert found == []


def _is_hidden(owner: ast.ClassDef, node: ast.stmt) -> bool:
    if isinstance(node, ast.FunctionDef):
        return node.name in {"save", "delete"}
    names = [target.id for target in getattr(node, "targets", ()) if isinstance(target, ast.Name)]
    return owner.name == "Meta" and "ordering" in names


def test_the_wall_clock_is_read_in_one_place() -> None:
    readers = [
        f"{path.relative_to(CHECKOUT)}:{node.lineno}"
        for path in _sources(*APPS)
        if path != CHECKOUT / "core" / "clock.py"
        for node in ast.walk(_tree(path))
        if isinstance(node, ast.Call) and _reads_clock(node.func)
    ]
    assert readers == []


def _reads_clock(called: ast.expr) -> bool:
    """`datetime.now`, `date.today`, `timezone.now` and their like; `time.monotonic` measures, it does not tell time."""
    if not isinstance(called, ast.Attribute) or not isinstance(called.value, ast.Name):
        return False
    return (called.value.id, called.attr) in {
        ("datetime", "now"),
        ("datetime", "utcnow"),
        ("date", "today"),
        ("timezone", "now"),
        ("timezone", "localdate"),
        ("time", "time"),
    }
