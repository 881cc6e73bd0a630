"""
Links from an entry or a grant to what it comes from, and why it was booked. Whoever has a list of such things says so here, so that the
ledger's pages, which know a type and an id, need not know the app.
"""

from collections.abc import Callable
from urllib.parse import urlencode

from django.http import HttpRequest
from django.utils.html import format_html

from core.console.cards import Card
from core.console.shown import copyable, link, list_url, shortened

Explain = Callable[[int, str], Card | None]
"""Of which account, and which thing of its type; None where there is no such thing."""

_LISTS: dict[str, tuple[str, bool]] = {}
_REASONS: dict[str, tuple[str, Explain]] = {}


def found_in(source_type: str, app_and_model: str, *, within_account: bool = False) -> None:
    """Things of this type are found by their id with the search of that list, which may need to be told the account before it."""
    _LISTS[source_type] = app_and_model, within_account


def source_link(source_type: str, source_id: str, *, account: str = "") -> str:
    """Type and id to copy, and the way to it where it has one. `account`: whose it is, by its public id."""
    shown = copyable(source_id, shown=f"{source_type} {shortened(source_id)}")
    listed, within_account = _LISTS.get(source_type, ("", False))
    if not listed or not source_id or (within_account and not account):
        return shown
    words = f"{account} {source_id}" if within_account else source_id
    return format_html("{} {}", shown, link(list_url(listed, urlencode({"q": words})), "find it"))


def explained_by(source_type: str, permission: str, explain: Explain) -> None:
    """What was booked for things of this type is explained by a card, to whoever has the permission."""
    _REASONS[source_type] = (permission, explain)


def reason_cards(source_type: str, source_id: str, *, account_id: int, request: HttpRequest) -> list[Card]:
    """Why something was booked, where its type says why."""
    permission, explain = _REASONS.get(source_type, ("", None))
    card = explain(account_id, source_id) if explain is not None and request.user.has_perm(permission) else None
    return [] if card is None else [card]
