"""A browser's way with a dialog: open it, fill it in, press its button. Hidden fields are sent as the page has them."""

import re
from collections.abc import Mapping
from html import unescape
from typing import Any

from django.test import Client

HIDDEN = re.compile(r"<input[^>]*type=\"hidden\"[^>]*>")
Answer = Any  # the test client's response, which has attributes of its own
ATTRIBUTE = re.compile(r"(name|value)=\"([^\"]*)\"")


def hidden_fields(html: str) -> dict[str, str]:
    """Names and values of the hidden inputs of a page."""
    found = (dict(ATTRIBUTE.findall(tag)) for tag in HIDDEN.findall(html))
    return {unescape(tag["name"]): unescape(tag.get("value", "")) for tag in found if "name" in tag}


def open_dialog(browser: Client, url: str) -> dict[str, str]:
    """What the dialog's form would send if nothing was filled in."""
    answer = browser.get(url)
    assert answer.status_code == 200, answer.status_code
    return hidden_fields(answer.content.decode())


def press(browser: Client, url: str, fields: Mapping[str, object]) -> Answer:
    """Send the form as htmx does. An answer with HX-Redirect has done it."""
    return browser.post(url, fields, headers={"HX-Request": "true"})


def fill_and_press(browser: Client, url: str, **fields: object) -> Answer:
    """Open, fill in, press once."""
    return press(browser, url, open_dialog(browser, url) | fields)


def press_twice(browser: Client, url: str, **fields: object) -> tuple[Answer, Answer]:
    """Open, fill in, press; then press again with what the first answer shows, as a person who has read it."""
    first = fill_and_press(browser, url, **fields)
    return first, press(browser, url, hidden_fields(first.content.decode()) | fields)
