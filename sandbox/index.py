"""The page at `/`: what this is, and what happened last."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sandbox import pages
from sandbox.exchange import Answer
from sandbox.money import shown
from sandbox.store import Record
from sandbox.stripe import API_VERSION

if TYPE_CHECKING:
    from sandbox.running import Sandbox

LAST = 10


def answer(sandbox: "Sandbox") -> Answer:
    """The index page."""
    store = sandbox.world.store
    with store.transaction():
        sessions, events = store.newest("checkout.session", limit=LAST), store.newest("event", limit=LAST)
        attempts = sandbox.world.outbox.attempts(LAST)
        facts = {
            "version": API_VERSION,
            "base_url": sandbox.base_url,
            "now": _time(sandbox.now()),
            "sessions": [_session(sandbox, each) for each in sessions],
            "events": [{"type": each.body["type"], "id": each.id, "created": _time(each.body["created"])[11:19]} for each in events],
            "attempts": [{"type": each.type, "what": each.what, "result": str(each.status or each.error)} for each in reversed(attempts)],
        }
    return pages.page("index.html", facts)


def _session(sandbox: "Sandbox", session: Record) -> dict[str, str | None]:
    body = session.body
    intent = sandbox.world.store.get(str(body["payment_intent"]))
    return {
        "id": session.id,
        "url": body["url"],
        "amount": shown(body["amount_total"], body["currency"]),
        "status": body["status"],
        "payment_status": body["payment_status"],
        "debit": intent.id if intent is not None and intent.body["status"] == "processing" else None,
    }


def _time(instant: int) -> str:
    return datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
