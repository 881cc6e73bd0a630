"""HTTP for the story: a JSON client, and a browser that keeps cookies and sends forms as a person would."""

import http.cookiejar
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any, Final
from urllib.error import HTTPError, URLError
from urllib.parse import urlencode, urljoin
from urllib.request import HTTPCookieProcessor, OpenerDirector, Request, build_opener, urlopen

from launcher.console import Failure

TIMEOUT_SECONDS: Final = 30
_INPUT: Final = re.compile(r"<input\b[^>]*>", re.IGNORECASE)
_ATTRIBUTE: Final = re.compile(r'([a-z-]+)="([^"]*)"', re.IGNORECASE)


@dataclass(frozen=True)
class Answer:
    """What came back: the status and the body, read as JSON where it is."""

    method: str
    path: str
    status: int
    text: str

    @property
    def body(self) -> Any:  # noqa: ANN401 - JSON is whatever was sent
        """The JSON body. Raises Failure for anything else."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise self.unexpected("a JSON body") from error

    def must_be(self, status: int) -> "Answer":
        """Raise Failure unless the status is the expected one."""
        if self.status != status:
            raise self.unexpected(f"status {status}")
        return self

    def unexpected(self, wanted: str) -> Failure:
        """The Failure that shows what came instead."""
        reason = f"{self.method} {self.path} answered {self.status} where the story expects {wanted}: {self.text[:600]}"
        return Failure("story", reason, "see the web server's log in the state folder")


@dataclass(frozen=True)
class Client:
    """JSON requests with one bearer token."""

    base: str
    token: str = ""

    def get(self, path: str) -> Answer:
        """A GET."""
        return self._send("GET", path, None)

    def post(self, path: str, body: object, headers: Mapping[str, str] | None = None) -> Answer:
        """A POST with a JSON body."""
        return self._send("POST", path, json.dumps(body).encode(), headers)

    def _send(self, method: str, path: str, body: bytes | None, headers: Mapping[str, str] | None = None) -> Answer:
        request = Request(f"{self.base}{path}", data=body, method=method, headers={"Accept": "application/json", **(headers or {})})
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        if body is not None:
            request.add_header("Content-Type", "application/json")
        return _sent(method, path, request, None)


@dataclass
class Browser:
    """A person's browser at the admin: cookies, redirects, forms with their CSRF token."""

    base: str
    cookies: http.cookiejar.CookieJar = field(default_factory=http.cookiejar.CookieJar)

    def open(self, path: str) -> Answer:
        """Look at a page."""
        return _sent("GET", path, Request(urljoin(self.base, path)), self._opener())

    def submit(self, path: str, page: Answer, **values: str) -> Answer:
        """Send the page's form, its hidden fields as they are, with these values filled in."""
        fields = {**hidden_fields(page.text), **values}
        request = Request(urljoin(self.base, path), data=urlencode(fields).encode(), method="POST")
        request.add_header("Referer", urljoin(self.base, path))
        return _sent("POST", path, request, self._opener())

    def _opener(self) -> OpenerDirector:
        return build_opener(HTTPCookieProcessor(self.cookies))


def hidden_fields(page: str) -> dict[str, str]:
    """The hidden inputs of a page's forms, the CSRF token among them."""
    inputs = [dict(_ATTRIBUTE.findall(tag)) for tag in _INPUT.findall(page)]
    hidden = [one for one in inputs if one.get("type") == "hidden" and "name" in one]
    return {one["name"]: unescape(one.get("value", "")) for one in hidden}


def _sent(method: str, path: str, request: Request, opener: OpenerDirector | None) -> Answer:
    sender = opener.open if opener else urlopen
    try:
        with sender(request, timeout=TIMEOUT_SECONDS) as response:
            return Answer(method, path, response.status, response.read().decode(errors="replace"))
    except HTTPError as refusal:
        with refusal:
            return Answer(method, path, refusal.code, refusal.read().decode(errors="replace"))
    except (URLError, OSError) as error:
        raise Failure("story", f"{method} {path}: {error}", "see the web server's log in the state folder") from error
