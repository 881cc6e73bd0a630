"""How the console writes amounts, ids and links."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from core import money

Column = Callable[[Any], str]

EMPTY: Final = "–"
SHOWN_OF_ID: Final = 24

usd: Final = money.usd_signed


def credit_count(nanos: int) -> str:
    """Credits, exact, grouped by thousands, with their unit."""
    return f"{money.grouped(money.credits_text(nanos))} credits"


def both(nanos: int) -> str:
    """Dollars and credits on one line, for sentences."""
    return f"{usd(nanos)} ({credit_count(nanos)})"


def percent(part: int, whole: int) -> str:
    """A share to a tenth of a per cent, rounded down, in integers; empty where there is nothing to take a share of."""
    if whole <= 0:
        return ""
    tenths = part * 1_000 // whole
    return f"{'-' if tenths < 0 else ''}{abs(tenths) // 10}.{abs(tenths) % 10} %"


def amount(nanos: int | None) -> str:
    """Dollars over credits, for cells and fields."""
    if nanos is None:
        return EMPTY
    tone = " is-negative" if nanos < 0 else ""
    return format_html('<span class="console-amount{}"><span>{}</span><small>{}</small></span>', tone, usd(nanos), credit_count(nanos))


def copyable(text: str, *, shown: str = "") -> str:
    """An id with a button that copies all of it; `shown` may be shorter."""
    if not text:
        return EMPTY
    return format_html(
        '<span class="console-id" title="{0}"><code>{1}</code>'
        '<button type="button" data-copy="{0}" title="Copy" aria-label="Copy"'
        " x-on:click.stop.prevent=\"navigator.clipboard.writeText($el.dataset.copy); $el.classList.add('is-copied')\">"
        '<span class="material-symbols-outlined">content_copy</span></button></span>',
        text,
        shown or text,
    )


def shortened(text: str) -> str:
    """A long id, cut to what fits a column; its button copies all of it."""
    return text if len(text) <= SHOWN_OF_ID else f"{text[: SHOWN_OF_ID - 1]}…"


def link(url: str, text: object) -> SafeString:
    """A link in a cell."""
    return format_html('<a class="text-link" href="{}">{}</a>', url, text)


def moment(instant: datetime | None) -> str:
    """An instant as lists write it, for computed fields and sentences."""
    return f"{instant:%Y-%m-%d %H:%M:%S} UTC" if instant else EMPTY


def tag(words: str, tone: str = "is-plain") -> SafeString:
    """A state in words, in its color: `is-plain`, `is-calm`, `is-waiting`, or none for what needs a hand."""
    return format_html('<span class="console-tag {}">{}</span>', tone, words)


def page_url(app_and_model: str, pk: object) -> str:
    """The page of one object: `page_url("accounts_account", 7)`."""
    return reverse(f"admin:{app_and_model}_change", args=(pk,))


def list_url(app_and_model: str, query: str = "") -> str:
    """The list of a model, narrowed by a query string."""
    url = reverse(f"admin:{app_and_model}_changelist")
    return f"{url}?{query}" if query else url


def amount_column(field: str, title: str) -> Column:
    """A right-aligned column of an integer nanos field, in dollars and credits."""

    def column(row: Any) -> str:  # noqa: ANN401 - a row of any model with that field
        return amount(getattr(row, field))

    return titled(column, f"{field}_money", title)


def usd_column(field: str, title: str) -> Column:
    """A right-aligned column of an integer nanos field, in dollars only: prices."""

    def column(row: Any) -> str:  # noqa: ANN401 - a row of any model with that field
        return usd(getattr(row, field))

    return titled(column, f"{field}_money", title)


def count_column(field: str, title: str) -> Column:
    """A right-aligned column of whole numbers, grouped by thousands."""

    def column(row: Any) -> str:  # noqa: ANN401 - a row of any model with that field
        return f"{getattr(row, field):,}"

    return titled(column, f"{field}_count", title)


def fields(*names: str | Column) -> Any:  # noqa: ANN401 - see below
    """A fieldset's fields. Django takes columns among the names; its stubs do not, hence Any."""
    return names


def titled(column: Column, name: str, title: str) -> Column:
    """Give a column its CSS name and its heading."""
    column.__name__ = name
    column.short_description = title  # type: ignore[attr-defined]  # where Django's admin looks for it
    return column


def account_link(row: Any) -> SafeString:  # noqa: ANN401 - a row of any model with an account
    """The row's account, as a link to its page."""
    return link(page_url("accounts_account", row.account_id), row.account)


titled(account_link, "account_link", "Account")
