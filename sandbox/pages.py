"""Pages for a person: templates without a network, without scripts, and with a banner that no money moves."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from django.template import Context, Engine

from sandbox.exchange import Answer

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "sandbox"
HEADERS = {
    # No form-action: browsers also apply it to where a form's answer sends them, and that is the merchant's own page.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


@cache
def _engine() -> Engine:
    return Engine(dirs=[str(TEMPLATES)])


def page(template: str, facts: Mapping[str, object], status: int = 200) -> Answer:
    """A page from a template of `templates/sandbox`. `facts` are strings, flags and lists of them: everything else is formatted before."""
    # Without these two Django asks its settings how to write numbers and times, and there are none here.
    context = Context(dict(facts), use_l10n=False, use_tz=False)
    text = _engine().get_template(template).render(context)
    return Answer(status, text.encode(), "text/html; charset=utf-8", HEADERS)


def message(title: str, text: str, status: int = 200, *, back: str | None = None, back_text: str = "") -> Answer:
    """A page that says one thing, with a link on."""
    return page("message.html", {"title": title, "text": text, "back": back, "back_text": back_text}, status)
