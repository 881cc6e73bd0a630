"""The events' page, and giving back what an event charged."""

from datetime import datetime
from typing import Any, ClassVar, Final

from django import forms
from django.contrib import admin
from django.db import connection
from django.db.models import F, QuerySet
from django.db.models.functions import Collate
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.contrib.filters.admin import ChoicesDropdownFilter, RelatedDropdownFilter
from unfold.enums import ActionVariant

from accounts.admin import find_account_ids
from core import clock, money
from core.console.cards import Card, Row
from core.console.dialogs import dialog_action
from core.console.filters import UtcDayFilter
from core.console.forms import UsdField
from core.console.pages import HotTableAdmin
from core.console.shown import EMPTY, account_link, amount, amount_column, both, copyable, count_column, fields, link, page_url, shortened
from core.console.sources import found_in
from credits.admin.previews import CardsBelow, Line, OffersByState, PreviewForm, change
from usage.models import UsageEvent
from usage.selectors import EVENT_ID_COLLATION
from usage.services.refunds import RefundsSoFar, event_locked, look_at_refunds, refund_event

TOKEN_COLUMNS = tuple(
    count_column(f"{name}_tokens", f"{name.replace('_', ' ').capitalize()} tokens")
    for name in ("input", "output", "cache_read", "cache_write", "reasoning")
)
UNIT_COLUMNS = tuple(count_column(name, name.capitalize()) for name in ("requests", "images", "seconds"))

ID_BLOCK: Final = 8192
BLOCKS_BACK: Final = (4, 32, 256, 2048, 16_384)
ENOUGH_ROWS: Final = 250


SHOWN: Final = 20
"""Refunds that a page shows at most."""

found_in("usage_event", "usage_usageevent", within_account=True)


class RefundForm(PreviewForm):
    """How much of an event's charge is given back, and why; all that is left, unless less is said."""

    field_order = ("amount", "reason")

    amount = UsdField(
        label="Give back, in dollars", help_text="All that is left, or a part of it: the last that was spent goes back first."
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["amount"].initial = money.usd_text(self.so_far.left_nanos)

    @cached_property
    def event(self) -> UsageEvent:
        """The event it was opened on. Raises Http404."""
        return self.opened_on(UsageEvent.objects.select_related("account", "model"))

    @cached_property
    def so_far(self) -> RefundsSoFar:
        """What was given back before the act."""
        return look_at_refunds(event=self.event, now=clock.now())

    @property
    def account_id(self) -> int:
        return self.event.account_id

    def lines_before(self) -> list[Line]:
        event = self.event
        return [
            ("Account", str(event.account)),
            ("Event", shortened(event.event_id)),
            ("Model", str(event.model)),
            ("Charged", both(event.charged_nanos)),
            ("Given back so far", both(event.refunded_nanos)),
            ("May still be given back", both(self.so_far.left_nanos)),
        ]

    def clean_amount(self) -> int:
        nanos: int = self.cleaned_data["amount"]
        if nanos <= 0:
            raise forms.ValidationError("Give back more than 0.")
        return nanos

    def clean(self) -> dict[str, Any]:
        """The trial looks at the wallet around the act: the event is locked before."""
        with event_locked(account_id=self.account_id, event_id=self.event.event_id):
            return super().clean()

    def perform(self, request: HttpRequest, url: str) -> HttpResponse:
        """As `clean`."""
        with event_locked(account_id=self.account_id, event_id=self.event.event_id):
            return super().perform(request, url)

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        event, nanos = self.event, self.cleaned_data["amount"]
        done = refund_event(
            account_id=event.account_id,
            event_id=event.event_id,
            amount_nanos=nanos,
            source_key=f"refund:{self.key}",
            reason=self.reason_given,
            actor_id=actor_id,
            now=now,
        )
        if done.given.is_repeat:
            return []
        after = done.event.refunded_nanos
        made = done.given.compensations
        return [
            ("Given back", f"{both(after - nanos)} → {both(after)}"),
            ("Counted as", change(event.counted_status, done.event.counted_status)),
            *((f"Into a compensation grant for grant {grant.compensates_id}", both(grant.amount_nanos)) for grant in made),
        ]


@admin.register(UsageEvent)
class UsageEventAdmin(CardsBelow[UsageEvent], OffersByState[UsageEvent], HotTableAdmin[UsageEvent]):
    """What a gateway reported, and what it cost. Evidence: nothing can be added, changed or deleted; what it charged can be given back."""

    actions_detail: ClassVar[tuple[str, ...]] = ("refund",)

    newest_first = ("-created_at", "-id")
    find_accounts = staticmethod(find_account_ids)

    list_display = (
        "occurred_at",
        account_link,
        "shown_id",
        "model",
        "shown_status",
        count_column("total_tokens", "Tokens"),
        amount_column("charged_nanos", "Charged"),
        "key",
        "endpoint",
    )
    list_display_links = ("occurred_at",)
    list_filter = (
        ("status", ChoicesDropdownFilter),
        ("model", RelatedDropdownFilter),
        ("created_at", UtcDayFilter),
    )
    list_select_related = ("account", "model", "api_key")
    search_help_text = "An account: its 32-character id, or an e-mail. Then also an event id"
    fieldsets = (
        (
            None,
            {
                "fields": fields(
                    "shown_id",
                    account_link,
                    "model",
                    "price",
                    "key",
                    "shown_status",
                    "endpoint",
                    amount_column("cost_nanos", "Cost"),
                    amount_column("charged_nanos", "Charged"),
                    amount_column("absorbed_nanos", "Absorbed by us"),
                    amount_column("refunded_nanos", "Given back"),
                )
            },
        ),
        ("What was used", {"fields": fields(*TOKEN_COLUMNS, count_column("total_tokens", "Tokens in all"), *UNIT_COLUMNS)}),
        ("When", {"fields": fields("occurred_at", "created_at", "local_date")}),
        ("As sent", {"fields": fields("metadata", "fingerprint")}),
    )
    readonly_fields = ("shown_id", "shown_status", "price", "key")

    def offered(self, row: UsageEvent) -> frozenset[str]:
        return frozenset({"refund"} if row.refunded_nanos < row.charged_nanos else ())

    def cards_of(self, row: UsageEvent, request: HttpRequest) -> list[Card]:
        if not row.refunded_nanos:
            return []
        entries = look_at_refunds(event=row, now=clock.now()).entries[-SHOWN:]
        rows: list[Row] = [
            (link(page_url("credits_ledgerentry", entry.id), f"entry {entry.seq}"), amount(entry.amount_nanos), entry.created_at)
            for entry in reversed(entries)
        ]
        return [Card("Given back by", "", ("Entry", "Amount", "Booked"), rows, "Nothing of it was given back.", is_wide=True)]

    @admin.display(description="Status")
    def shown_status(self, event: UsageEvent) -> str:
        return event.counted_status

    @admin.display(description="Event id")
    def shown_id(self, event: UsageEvent) -> str:
        return copyable(event.event_id, shown=shortened(event.event_id))

    @admin.display(description="Key")
    def key(self, event: UsageEvent) -> str:
        return link(page_url("accounts_apikey", event.api_key_id), event.api_key) if event.api_key_id else EMPTY

    @admin.display(description="Price")
    def price(self, event: UsageEvent) -> str:
        return link(page_url("usage_priceversion", event.price_version_id), event.price_version)

    def newest_id(self) -> int:
        """Ids are handed out in blocks, one a batch, which fills its beginning (usage/sql/insert_events.sql)."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_sequence_last_value('usage_event_block')")
            (last,) = cursor.fetchone()
        return ((last or 0) + 1) * ID_BLOCK

    def newest_floor(self) -> int:
        """As many blocks back as hold enough rows: few where batches are full, many where events come singly."""
        newest = self.newest_id()
        floors = (newest - blocks * ID_BLOCK for blocks in BLOCKS_BACK)
        return next((floor for floor in floors if self._holds_enough(floor)), newest - BLOCKS_BACK[-1] * ID_BLOCK)

    def _holds_enough(self, floor: int) -> bool:
        return UsageEvent.objects.filter(id__gt=floor).order_by()[ENOUGH_ROWS:].exists()

    def search_within_account(self, queryset: QuerySet[UsageEvent], words: list[str]) -> QuerySet[UsageEvent]:
        return queryset.alias(exact_id=Collate(F("event_id"), EVENT_ID_COLLATION)).filter(exact_id__in=words)

    @dialog_action(
        "Refund",
        permissions=("usage.refund_usageevent", "usage.view_usageevent"),
        form=RefundForm,
        icon="undo",
        submit="Continue",
        explains="Gives back what this call charged, to the grants that paid it. What is still owed lowers the debt; what a grant paid "
        "that has ended meanwhile comes back as a compensation grant. Reports count it as refunded.",
        variant=ActionVariant.DANGER,
    )
    def refund(self, request: HttpRequest, form: RefundForm, object_id: str) -> HttpResponse:
        """Give back what it charged, or a part of it."""
        return form.perform(request, page_url("usage_usageevent", object_id))
