"""An operator's way with a page: what is read on it, which rows a list has, what it costs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from html import unescape

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext


@contextmanager
def queries() -> Iterator[list[str]]:
    """The statements that run inside."""
    statements: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield statements
    statements += [query["sql"] for query in captured.captured_queries]


def shown(browser: Client, url: str, **query: str) -> list[str]:
    """The rows of a list, as text."""
    cl = browser.get(url, query).context["cl"]
    return [str(row) for row in cl.result_list]


def text_of(browser: Client, url: str, **query: str) -> str:
    """What a person reads on a page."""
    html = re.sub(r"<(script|style).*?</\1>", " ", browser.get(url, query).content.decode(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))
