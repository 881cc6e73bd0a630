"""Reads JSON bodies strictly: what PostgreSQL could not store or two readers could understand differently is refused here."""

import json
import math
from collections.abc import Mapping
from typing import IO, Any, Final

from django.http import UnreadablePostError
from rest_framework.parsers import BaseParser

from core.errors import InvalidInput

MAX_DEPTH: Final = 32


class StrictJSONParser(BaseParser):
    """UTF-8 only; no NaN or Infinity, no duplicate keys, no NUL or lone surrogate in a string, at most 32 levels deep."""

    media_type = "application/json"

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Mapping[str, Any] | None = None) -> Any:  # noqa: ANN401  JSON of any shape.
        """The body as Python data. Raises InvalidInput `malformed_json`."""
        _ = media_type, parser_context
        try:
            raw = stream.read()
        except UnreadablePostError as error:
            raise _malformed("The body ended early.") from error
        return parse_json(raw)


def parse_json(raw: bytes) -> Any:  # noqa: ANN401  JSON of any shape.
    """Strict JSON from bytes, as StrictJSONParser reads it. Raises InvalidInput `malformed_json`."""
    try:
        data = json.loads(raw.decode(), parse_constant=_no_constant, parse_float=_finite, object_pairs_hook=_no_twins)
    except UnicodeDecodeError as error:
        raise _malformed("The body is not UTF-8.") from error
    except RecursionError as error:
        raise _malformed("The body is nested too deeply.") from error
    except ValueError as error:
        raise _malformed(f"The body is not JSON: {error}.") from error
    _check_texts_and_depth(data)
    return data


def _malformed(message: str) -> InvalidInput:
    return InvalidInput(message, code="malformed_json")


def _no_constant(name: str) -> float:
    message = f"{name} is not a JSON number"
    raise ValueError(message)


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        message = f"{text[:40]} is out of range"
        raise ValueError(message)
    return number


def _no_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        message = "a name stands twice in one object"
        raise ValueError(message)
    return found


def _check_texts_and_depth(data: object) -> None:
    """Level by level, without recursion: the nesting of the body must not become the nesting of our stack."""
    level = [data]
    for _ in range(MAX_DEPTH + 1):
        level = [child for value in level for child in _children(value)]
        if not level:
            return
    raise _malformed(f"The body is nested deeper than {MAX_DEPTH} levels.")


def _children(value: object) -> list[object]:
    if isinstance(value, dict):
        return [*value, *value.values()]
    if isinstance(value, list):
        return value
    if isinstance(value, str):
        _check_text(value)
    return []


def _check_text(text: str) -> None:
    if "\x00" in text:
        raise _malformed("A string holds the NUL character, which cannot be stored.")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise _malformed("A string holds half of a surrogate pair, which is not a character.") from error
