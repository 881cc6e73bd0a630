"""docs/errors.md names every code that the platform can answer, with its status, and no other."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from accounts import errors as accounts_errors
from core import errors as core_errors
from core import idempotency
from core.api.exception_handler import _DRF_CODES, STATUS_OF
from core.errors import BillingError
from credits import errors as credits_errors
from payments import errors as payments_errors
from payments import tariff
from usage import errors as usage_errors

CHECKOUT = Path(__file__).resolve().parents[2]
APPS = ("billing_platform", "core", "accounts", "credits", "usage", "payments")
ANY_OTHER = "refused"
"""The handler's word for what Django REST framework may raise beyond the kinds it names."""

CODE_POSITION = {"Refusal": 1, "_come_back": 0, "reject": 2, "ValidationError": 1}
"""Calls that take a code without naming it, and where it stands."""


@cache
def _catalogue() -> dict[str, str]:
    """Code → the second column (a status, or the meaning), from every table whose first cell is a code."""
    text = (CHECKOUT / "docs" / "errors.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| `([a-z_]+)` \| ([^|]+) \|", text, re.MULTILINE)
    # The first table wins: a code that is a rejection as well has its status there.
    return dict(reversed(rows))


def _classes() -> dict[str, type[BillingError]]:
    modules = (core_errors, idempotency, accounts_errors, credits_errors, payments_errors, tariff, usage_errors)
    found = {name: kind for module in modules for name, kind in vars(module).items() if isinstance(kind, type)}
    return {name: kind for name, kind in found.items() if issubclass(kind, BillingError) and kind is not BillingError}


def _calls() -> Iterator[tuple[str, ast.Call]]:
    """Every call of the product, with the name of what is called."""
    for app in APPS:
        for path in sorted((CHECKOUT / app).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield _name(node.func), node


def _name(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")


def _literal_code(name: str, call: ast.Call) -> str | None:
    named = [keyword.value for keyword in call.keywords if keyword.arg == "code"]
    place = CODE_POSITION.get(name)
    placed = call.args[place : place + 1] if place is not None else []
    for value in named or placed:
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and re.fullmatch(r"[a-z_]+", value.value):
            return value.value
    return None


def _raised() -> dict[str, set[int]]:
    """Every code of the source, with the statuses under which it can be answered, where the source tells."""
    classes = _classes()
    found: dict[str, set[int]] = {ANY_OTHER: set()}
    for kind, code in _DRF_CODES:
        found.setdefault(code, set()).add(kind.status_code)
    for error in classes.values():
        found.setdefault(error.code, set()).add(_status(error))
    for name, call in _calls():
        literal = _literal_code(name, call)
        if literal is not None:
            found.setdefault(literal, set()).update({_status(classes[name])} if name in classes else _told(name, call))
    return found


def _told(name: str, call: ast.Call) -> set[int]:
    """The status that stands in `Refusal(status, code, …)`."""
    first = call.args[0] if name == "Refusal" and call.args else None
    return {first.value} if isinstance(first, ast.Constant) and isinstance(first.value, int) else set()


def _status(error: type[BillingError]) -> int:
    return next(int(STATUS_OF[kind]) for kind in error.__mro__ if kind in STATUS_OF)


def test_every_code_of_the_source_is_in_the_catalogue() -> None:
    assert sorted(_raised().keys() - _catalogue().keys()) == []


def test_the_catalogue_has_no_code_that_nothing_raises() -> None:
    assert sorted(_catalogue().keys() - _raised().keys()) == []


def test_the_catalogue_says_the_status_that_is_answered() -> None:
    told = {code: int(cell) for code, cell in _catalogue().items() if cell.strip().isdigit()}
    answered = {code: statuses for code, statuses in _raised().items() if statuses}
    assert {code: answered[code] for code in told.keys() & answered.keys() if answered[code] != {told[code]}} == {}


def test_every_error_of_the_tree_has_a_code_of_its_own() -> None:
    codes = [error.code for error in _classes().values()]
    assert sorted(codes) == sorted(set(codes))
