"""A person at the checkout, without scripts: plain HTTP, one request at a time, redirects looked at and not followed."""

import http.client
import re
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import Any
from urllib.parse import urlencode, urlsplit

CARDS = {
    "visa": "4242424242424242",
    "mastercard": "5555555555554444",
    "declined": "4000000000000002",
    "insufficient_funds": "4000000000009995",
    "expired": "4000000000000069",
    "incorrect_cvc": "4000000000000127",
    "3ds": "4000002500003155",
    "3ds_always": "4000002760003184",
    "3ds_declined": "4000008400001629",
}
GOOD = {"exp": "12/34", "cvc": "123", "name": "Ada Lovelace", "email": "ada@example.com"}


@dataclass(frozen=True)
class Page:
    """What came back: a page, or where to go."""

    status: int
    text: str
    location: str | None

    @property
    def alert(self) -> str | None:
        """What the page says loudly, if it does."""
        found = re.search(r'role="alert">([^<]*)<', self.text)
        return found[1] if found else None


def request(method: str, url: str, form: dict[str, str] | None = None, headers: dict[str, str] | None = None) -> Page:
    """One request, with an own connection."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    body = None if form is None else urlencode(form)
    sent = {"Content-Type": "application/x-www-form-urlencoded"} if form is not None else {}
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body, sent | (headers or {}))
        answer = connection.getresponse()
        return Page(answer.status, answer.read().decode(), answer.headers.get("Location"))
    finally:
        connection.close()


def get(url: str) -> Page:
    """Look at a page."""
    return request("GET", url)


def pay(url: str, card: str = "visa", **typed: str) -> Page:
    """Fill in a session's page (its `url`) with a card of CARDS, or with other inputs, and press Pay."""
    return request("POST", url, GOOD | {"number": CARDS[card]} | typed)


def pay_by_bank(url: str) -> Page:
    """Choose the bank debit that settles later, and press Pay."""
    return request("POST", url, GOOD | {"method": "us_bank_account"})


def answer_challenge(base_url: str, page: Page, answer: str = "complete") -> Page:
    """Answer the bank's question, to which `page` redirects."""
    assert page.status == 303
    assert page.location is not None
    return request("POST", base_url + page.location, {"answer": answer})


class Inputs(HTMLParser):
    """The inputs of a page, the labels that name them, and the links."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.values: dict[str, str] = {}
        self.ids: set[str] = set()
        self.labelled: set[str] = set()
        self.links: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, Any]]) -> None:
        known = dict(attrs)
        if tag == "input":
            self.ids.add(known["id"])
            if known.get("type") != "radio" or "checked" in known:
                self.values[known["name"]] = known.get("value") or ""
        elif tag == "label":
            self.labelled.add(known["for"])
        elif tag == "a":
            self.links.append(known["href"])
