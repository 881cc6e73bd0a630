"""The inbox's page: what providers told us, what came of it, and having one looked at again."""

import json
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

from django import forms
from django.conf import settings
from django.contrib import admin
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from django.utils.html import format_html
from unfold.contrib.filters.admin import ChoicesDropdownFilter
from unfold.enums import ActionVariant

from core import clock
from core.console.dialogs import ReasonForm, dialog_action, done, operator_id
from core.console.filters import Question, QuestionFilter
from core.console.pages import ReadOnlyAdmin
from core.console.shown import fields, link, page_url
from payments.admin.rows import PaymentRowsAdmin, attempts_named
from payments.admin.shown import at_provider, attempt_link, event_tag, links, mode, order_column, orders_account
from payments.gateways.stripe_gateway import LISTENED_EVENTS
from payments.models import Provider, ProviderEvent, ProviderFeed
from payments.models.order import ORDER_PREFIX
from payments.services.inbox import STUCK_AFTER, reprocess_event
from payments.transitions import EventStatus

if TYPE_CHECKING:
    from unfold.dataclasses import UnfoldAction

FAILED: Final = Q(status=EventStatus.FAILED)
ATTEMPTS_THINGS: Final = ("cs_", "pi_")
"""How the ids begin by which an attempt is known at Stripe."""


def waiting_long(now: datetime) -> Q:
    """Not done with, and here for so long that somebody should look. `FAILED` beside it is what /metrics counts."""
    return Q(status__in=(EventStatus.WAITING, EventStatus.CLAIMED), received_at__lte=now - STUCK_AFTER)


class EventState(QuestionFilter):
    """What an operator looks for in the inbox."""

    title = "state"
    parameter_name = "state"
    questions = {
        "stuck": ("Failed, or waiting over 15 minutes", lambda now: FAILED | waiting_long(now)),
        "failed": ("Events failed: given up after many tries", lambda _now: FAILED),
        "waiting": ("Waiting over 15 minutes", waiting_long),
        "other_mode": ("Other mode: live for test, or the reverse", lambda _now: Q(livemode=not settings.STRIPE_LIVE_MODE)),
        "not_told": ("Never told us: found in the provider's list", lambda _now: Q(source="list")),
    }


def _of_type(name: str) -> Question:
    return name, lambda _now: Q(type=name)


class TypeFilter(QuestionFilter):
    """The types we listen to; to look for others in the table would be to read all of it."""

    title = "type"
    parameter_name = "type"
    questions = {name: _of_type(name) for name in LISTENED_EVENTS}


class ReprocessForm(ReasonForm):
    """Why an event is looked at again. Opened on one state of the event: sent a second time, it finds another, and does nothing."""

    seen = forms.CharField(widget=forms.HiddenInput)

    @cached_property
    def event(self) -> ProviderEvent:
        """The event it was opened on. Raises Http404."""
        return self.opened_on(ProviderEvent.objects.select_related("order__account"))

    def __init__(self, *args: object, **options: object) -> None:
        super().__init__(*args, **options)
        self.fields["seen"].initial = lambda: _state_of(self.event)

    def clean_seen(self) -> str:
        seen: str = self.cleaned_data["seen"]
        if seen != _state_of(self.event):
            self.add_error(None, "The event has moved on since this was opened. Close this and look at it again.")
        return seen

    def lines_before(self) -> list[tuple[str, str]]:
        event = self.event
        lines = [("Event", f"{event.type} {event.event_id}"), ("Status", f"{event.status} → {EventStatus.WAITING}")]
        return [*lines, ("Last error", event.last_error)] if event.last_error else lines


@admin.register(ProviderEvent)
class ProviderEventAdmin(PaymentRowsAdmin[ProviderEvent]):
    """A verified event a row. It is a hint only: what it is about is read again at the provider."""

    indexed = {"state": frozenset({"stuck", "failed", "waiting"}), "order__id__exact": None, "attempt__id__exact": None}

    list_display = (
        "received_at",
        "type",
        "status_tag",
        "outcome",
        order_column,
        orders_account,
        "shown_id",
        "tries",
        "last_error",
    )
    list_display_links = ("received_at",)
    list_filter = (
        EventState,
        ("status", ChoicesDropdownFilter),
        ("outcome", ChoicesDropdownFilter),
        TypeFilter,
    )
    list_select_related = ("order__account", "attempt")
    search_help_text = "An event (evt_…), a session or payment of the provider, an order (ord_…), or an account"
    fieldsets = (
        (None, {"fields": fields("type", "status_tag", "outcome", order_column, "attempt_page", orders_account, "reviews_opened")}),
        (
            "As the provider tells it",
            {"fields": fields("provider", "shown_id", "shown_object", "mode_name", "api_version", "source", "created_at")},
        ),
        ("Work on it", {"fields": fields("received_at", "tries", "next_try_at", "lease_until", "last_error", "done_at")}),
        ("Payload", {"fields": fields("payload_text")}),
    )
    readonly_fields = ("status_tag", "attempt_page", "reviews_opened", "shown_id", "shown_object", "mode_name", "payload_text")
    actions_detail: ClassVar[tuple[str, ...]] = ("reprocess",)

    def named(self, word: str) -> Q:
        if word.startswith(ORDER_PREFIX):
            return Q(order__public_id=word)
        if word.startswith(ATTEMPTS_THINGS):
            return Q(attempt__in=attempts_named(word).values("pk"))
        return Q(provider__in=Provider.values, event_id=word)

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> "list[UnfoldAction]":
        """Not offered while a worker has it in hand; the service refuses then anyway."""
        text = str(object_id)
        busy = Q(status=EventStatus.CLAIMED, lease_until__gt=clock.now())
        free = text.isdecimal() and ProviderEvent.objects.filter(~busy, pk=text).exists()
        acts: list[UnfoldAction] = super().get_actions_detail(request, object_id) if free else []  # type: ignore[misc]
        return acts

    @admin.display(description="Status")
    def status_tag(self, event: ProviderEvent) -> str:
        return event_tag(event)

    @admin.display(description="Attempt")
    def attempt_page(self, event: ProviderEvent) -> str:
        return attempt_link(event.attempt)

    @admin.display(description="Event id")
    def shown_id(self, event: ProviderEvent) -> str:
        return at_provider(event.event_id, provider=event.provider, livemode=event.livemode)

    @admin.display(description="It is about")
    def shown_object(self, event: ProviderEvent) -> str:
        return at_provider(event.object_id, provider=event.provider, livemode=event.livemode)

    @admin.display(description="Mode")
    def mode_name(self, event: ProviderEvent) -> str:
        return mode(event.livemode)

    @admin.display(description="Reviews")
    def reviews_opened(self, event: ProviderEvent) -> str:
        return links(link(page_url("payments_paymentreview", review.pk), review) for review in event.reviews.order_by("pk"))

    @admin.display(description="As received")
    def payload_text(self, event: ProviderEvent) -> str:
        if event.payload is None:
            return f"Forgotten: the payload of an event that is done is kept for {settings.PROVIDER_PAYLOAD_DAYS} days."
        return format_html('<pre class="console-json">{}</pre>', json.dumps(event.payload, indent=2, sort_keys=True, ensure_ascii=False))

    @dialog_action(
        "Process again",
        permissions=("payments.reprocess_providerevent", "payments.view_providerevent"),
        form=ReprocessForm,
        icon="replay",
        submit="Process it again",
        explains="What it is about is read again at the provider. Applied twice it changes nothing: no money is credited a second time.",
        variant=ActionVariant.PRIMARY,
    )
    def reprocess(self, request: HttpRequest, form: ReprocessForm, object_id: str) -> HttpResponse:
        """Hand an event to a worker once more."""
        event = form.event
        reprocess_event(
            event_pk=event.pk,
            actor_id=operator_id(request),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
            expected=(event.status, event.tries),
        )
        return done(request, page_url("payments_providerevent", object_id), "Asked for. A worker takes it within seconds.")


@admin.register(ProviderFeed)
class ProviderFeedAdmin(ReadOnlyAdmin[ProviderFeed]):
    """How far each provider's own list of events was read: this finds what nobody told us."""

    list_display = ("provider", "read_until")
    ordering = ("provider",)


def _state_of(event: ProviderEvent) -> str:
    """Differs after each act on the event."""
    return f"{event.status} {event.tries} {event.next_try_at.isoformat()} {event.done_at}"
