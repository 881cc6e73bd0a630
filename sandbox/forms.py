"""Stripe's form encoding: `a[b][0]=x` stands for nested records and lists."""

import re
from urllib.parse import parse_qsl

Tree = dict[str, "Tree | list[Tree | str] | str"]
"""A decoded form. Indexes (`[0]`, `[1]`) stay names of a record: only who knows a parameter knows whether it is a list."""

DEPTH_MAX = 8
FIELDS_MAX = 2000

_NAME = re.compile(r"([^\[\]]+)((?:\[[^\[\]]*\])*)")
_STEP = re.compile(r"\[([^\[\]]*)\]")


class BadForm(Exception):
    """A form that is not written in this encoding; `name` is the field."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def decode(text: str) -> Tree:
    """A nested record of what a query or a form body says; of a name given twice the last counts. Raises BadForm."""
    tree: Tree = {}
    try:
        pairs = parse_qsl(text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError as error:
        raise BadForm("") from error
    for name, value in pairs:
        _put(tree, _steps(name), value, name)
    return tree


def _steps(name: str) -> list[str]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise BadForm(name)
    steps = [found[1], *_STEP.findall(found[2])]
    if len(steps) > DEPTH_MAX or "" in steps[:-1]:
        raise BadForm(name)
    return steps


def _put(tree: Tree, steps: list[str], value: str, name: str) -> None:
    for step in steps[:-2] if steps[-1] == "" else steps[:-1]:
        inner = tree.setdefault(step, {})
        if not isinstance(inner, dict):
            raise BadForm(name)
        tree = inner
    if steps[-1] == "":
        listed = tree.setdefault(steps[-2], [])
        if not isinstance(listed, list):
            raise BadForm(name)
        listed.append(value)
    elif isinstance(tree.get(steps[-1], ""), str):
        tree[steps[-1]] = value
    else:
        raise BadForm(name)


def in_order(value: object) -> list[object] | None:
    """A decoded value as a list, by its indexes; None if it is none."""
    if isinstance(value, list):
        return list(value)
    if isinstance(value, dict) and all(isinstance(key, str) and key.isascii() and key.isdigit() for key in value):
        return [value[key] for key in sorted(value, key=int)]
    return None
