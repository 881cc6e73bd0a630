"""
Links from an entry or a grant to what it comes from. Whoever has a list of such things says so here, so that the ledger's pages,
which know a type and an id, need not know the app.
"""

from urllib.parse import urlencode

from django.utils.html import format_html

from core.console.shown import copyable, link, list_url, shortened

_LISTS: dict[str, str] = {}


def found_in(source_type: str, app_and_model: str) -> None:
    """Things of this type are found by their id, with the search of that list."""
    _LISTS[source_type] = app_and_model


def source_link(source_type: str, source_id: str) -> str:
    """Type and id to copy, and the way to it where it has one."""
    shown = copyable(source_id, shown=f"{source_type} {shortened(source_id)}")
    listed = _LISTS.get(source_type)
    return format_html("{} {}", shown, link(list_url(listed, urlencode({"q": source_id})), "find it")) if listed and source_id else shown
