"""What a grant's page shows below its own fields: its family, its compensations, and what it paid for. Each is bounded."""

from typing import Final

from django.db.models import Q, QuerySet

from core.console.cards import Card, Row
from core.console.shown import EMPTY, amount, link, list_url, page_url
from credits.admin.states import grant_state
from credits.models import Allocation, Grant, LedgerEntry, Role

SHOWN: Final = 10
LOOKED_AT: Final = 2_000
"""Allocations that are read for a grant, at either end: they are kept by account and position, not by grant."""


def grant_cards(grant: Grant) -> list[Card]:
    """All of them."""
    return [family(grant), compensations(grant), paid_for(grant)]


def family(grant: Grant) -> Card:
    """The grant it was split from, with all that was split off."""
    root = grant.root_id or grant.pk
    related = Grant.objects.filter(Q(pk=root) | Q(root_id=root), account_id=grant.account_id).order_by("pk")[:SHOWN]
    rows: list[Row] = [_row(row, "this one" if row.pk == grant.pk else "the root" if row.pk == root else "split off") for row in related]
    return _card("Family: this grant and what was split off it", "", rows if len(rows) > 1 else [], "Nothing was split off.")


def compensations(grant: Grant) -> Card:
    """Where credits went that were returned to it after its end; and which ended grant it stands for itself."""
    given = list(Grant.objects.filter(account_id=grant.account_id, compensates=grant).order_by("-pk")[:SHOWN])
    ended = [grant.compensates] if grant.compensates else []
    rows = [*(_row(row, "it carries the returns of") for row in ended), *(_row(row, "carries returns to this one") for row in given)]
    return _card("Compensations", "", rows, "Nothing was returned to it after its end.")


def paid_for(grant: Grant) -> Card:
    """Some of what it paid for: the first after it was booked, and the newest."""
    rows: list[Row] = [
        (
            row.get_role_display(),
            amount(row.to_nanos - row.from_nanos),
            _entry_link(grant.account_id, row.entry_seq),
            row.created_at,
        )
        for row in allocations_of(grant)
    ]
    headings = ("What", "Size", "First entry", "Booked")
    used = grant.amount_nanos - grant.remaining_nanos
    title = "What it paid for: the newest, and the first after it was booked"
    nothing = "Nothing yet." if not used else "Nothing among the account's newest allocations, nor among the first after it was booked."
    return Card(title, list_url("credits_allocation", f"account__id__exact={grant.account_id}"), headings, rows, nothing, is_wide=True)


def allocations_of(grant: Grant) -> list[Allocation]:
    """Newest first. Reads at most twice `LOOKED_AT` allocations, whatever the account has."""
    of_account = Allocation.objects.filter(account_id=grant.account_id)
    newest = of_account.order_by("-id")[:LOOKED_AT]
    found = {row.pk: row for rows in (newest, _first_pays(grant, of_account)) for row in _of_grant(rows, grant)}
    return sorted(found.values(), key=lambda row: -row.pk)[: 2 * SHOWN]


def _first_pays(grant: Grant, of_account: QuerySet[Allocation]) -> QuerySet[Allocation]:
    """Pay rows from the position on that spending had come to when the grant was booked."""
    booking = LedgerEntry.objects.filter(account_id=grant.account_id, source_key=f"grant:{grant.pk}:effective").first()
    if booking is None:
        return of_account.none()
    pays = of_account.filter(role=Role.PAY, to_nanos__gt=booking.spent_after_nanos)
    return pays.order_by("to_nanos")[:LOOKED_AT]


def _of_grant(rows: QuerySet[Allocation], grant: Grant) -> list[Allocation]:
    """Of a bounded range, those of the grant."""
    chosen = Allocation.objects.filter(Q(grant=grant) | Q(into_grant=grant), account_id=grant.account_id, pk__in=rows.values("pk"))
    return list(chosen.order_by("-id")[:SHOWN])


def _entry_link(account_id: int, seq: int | None) -> str:
    if seq is None:
        return EMPTY
    return link(list_url("credits_ledgerentry", f"account__id__exact={account_id}&seq={seq}"), f"entry {seq}")


def _row(grant: Grant, word: str) -> Row:
    return (
        link(page_url("credits_grant", grant.pk), f"grant {grant.pk}"),
        word,
        amount(grant.amount_nanos),
        amount(grant.remaining_nanos),
        grant_state(grant),
        grant.created_at,
    )


def _card(title: str, url: str, rows: list[Row], nothing: str) -> Card:
    return Card(title, url, ("Grant", "Which", "Amount", "Remaining", "State", "Made"), rows, nothing, is_wide=True)
