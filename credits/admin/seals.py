"""Pages of seals: what the ledger said at a moment, in a chain that nobody can mend unseen."""

from typing import ClassVar, Final

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest

from core.console.cards import Card, Row
from core.console.pages import ReadOnlyAdmin
from core.console.shown import account_link, copyable, count_column, fields, shortened
from credits.admin.previews import CardsBelow
from credits.models import Checkpoint, Seal

SHOWN: Final = 20


@admin.register(Seal)
class SealAdmin(CardsBelow[Seal], ReadOnlyAdmin[Seal]):
    """A seal a row, newest first. Its digest covers the seal before, so that the newest stands for all."""

    list_display = ("number", "sealed_at", count_column("entries", "Entries"), count_column("checkpoints", "Checkpoints"), "short_digest")
    list_display_links = ("number",)
    list_select_related: ClassVar[bool] = False
    search_fields = ("number",)
    search_help_text = "A seal's number"
    ordering = ("-number",)
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    "number", "sealed_at", count_column("entries", "Entries"), count_column("checkpoints", "Checkpoints"), "whole_digest"
                )
            },
        ),
        ("Made of", {"fields": fields("digest_before", "merkle_root")}),
    )
    readonly_fields = ("whole_digest", "digest_before", "merkle_root")

    def get_search_results(self, request: HttpRequest, queryset: QuerySet[Seal], search_term: str) -> tuple[QuerySet[Seal], bool]:
        """By its number only."""
        word = search_term.strip()
        if not word:
            return queryset, False
        return (queryset.filter(number=int(word)) if word.isdecimal() else queryset.none()), False

    def cards_of(self, row: Seal, request: HttpRequest) -> list[Card]:
        return [checkpoints_card(row)]

    @admin.display(description="Digest")
    def short_digest(self, seal: Seal) -> str:
        return _hex(seal.digest, is_short=True)

    @admin.display(description="Digest")
    def whole_digest(self, seal: Seal) -> str:
        return _hex(seal.digest)

    @admin.display(description="Digest of the seal before")
    def digest_before(self, seal: Seal) -> str:
        return _hex(seal.previous)

    @admin.display(description="Merkle root")
    def merkle_root(self, seal: Seal) -> str:
        return _hex(seal.root)


def checkpoints_card(seal: Seal) -> Card:
    """The first accounts of its tree."""
    points = Checkpoint.objects.filter(seal=seal).select_related("account").order_by("position")[:SHOWN]
    rows: list[Row] = [
        (point.position, account_link(point), f"up to entry {point.seq:,}", _hex(point.link, is_short=True)) for point in points
    ]
    title = f"Checkpoints{f', the first {SHOWN} of {seal.checkpoints:,}' if seal.checkpoints > SHOWN else ''}"
    return Card(title, "", ("Place", "Account", "Covers", "Link"), rows, "None.", is_wide=True)


def _hex(digest: bytes | memoryview, *, is_short: bool = False) -> str:
    text = bytes(digest).hex()
    return copyable(text, shown=shortened(text) if is_short else "")
