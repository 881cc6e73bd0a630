"""
Links from an entry or a grant to what it comes from. Whoever has a list of such things says so here, so that the ledger's pages,
which know a type and an id, need not know the app.
"""

from urllib.parse import urlencode

from django.utils.html import format_html

from core.console.shown import copyable, link, list_url, shortened

_LISTS: dict[str, tuple[str, bool]] = {}


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
