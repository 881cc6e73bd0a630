"""Dialogs that show at the first press what the second will do: the act itself, tried and taken back."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final, TypeVar

from django import forms
from django.contrib.admin.utils import unquote
from django.db.models import Model
from django.http import HttpRequest, HttpResponse, QueryDict

from core import clock
from core.console.cards import Card
from core.console.dialogs import OnceForm, done, operator_id
from core.console.pages import AccountRowsAdmin, ReadOnlyAdmin
from core.console.shown import both
from core.errors import BillingError
from credits.services import trials
from credits.services.trials import Effect
from credits.services.wallets import WalletView

Line = tuple[str, str]
ModelT = TypeVar("ModelT", bound=Model)

SUMS: Final = ("balance", "available", "reserved", "frozen", "lapsing", "debt")
NOT_ASKED: Final = frozenset({"reason", "token", "shown", "_form_submitted"})
"""Fields that change nothing of the effect: whoever mends the reason need not look at it again."""


class PreviewForm(OnceForm):
    """The first press shows the effect, the second does it; sent twice, it is done once. Another input is shown anew."""

    shown = forms.CharField(required=False, widget=forms.HiddenInput)

    data: QueryDict

    unseen: list[Line] | None = None
    """The effect that the operator has yet to see."""

    @property
    def account_id(self) -> int:
        """Whose wallet it moves."""
        raise NotImplementedError

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        """Do it, by one service; returns what it does beside moving the wallet's sums. Raises what the service raises."""
        raise NotImplementedError

    @property
    def key(self) -> str:
        """Stands for this opening of the dialog in the act's source key."""
        return str(self.cleaned_data["token"])

    @property
    def reason_given(self) -> str:
        """Why, for the audit trail."""
        return str(self.cleaned_data["reason"])

    def clean(self) -> dict[str, Any]:
        """Ask for a second press where the effect of just this was not shown yet."""
        asked = "; ".join(f"{name}={value}" for name, value in self.cleaned_data.items() if name not in NOT_ASKED) or "it"
        if not self.errors and self.cleaned_data["shown"] != asked:
            self._show(asked)
        return dict(self.cleaned_data)

    def is_valid(self) -> bool:
        """Valid at the second press only."""
        return bool(super().is_valid()) and self.unseen is None

    def effect(self) -> list[Line]:
        return self.unseen or []

    def perform(self, request: HttpRequest, url: str) -> HttpResponse:
        """Do it, and say what it did in the words of the preview. Raises what the service raises."""
        actor_id, now = operator_id(request), clock.now()
        effect = trials.do(lambda: self.act(actor_id, now), account_id=self.account_id, now=now)
        told = "; ".join(f"{word}: {value}" for word, value in [*told_of(effect), *_entries(effect)])
        return done(request, url, f"{told}." if told else "It was done before: nothing has changed now.")

    def _show(self, asked: str) -> None:
        actor_id, now = operator_id(self.request), clock.now()
        try:
            effect = trials.try_out(lambda: self.act(actor_id, now), account_id=self.account_id, now=now)
        except BillingError as error:
            self.add_error(None, error.message)
            return
        self.unseen = told_of(effect) or [("Effect", "none: nothing would change")]
        self.data = self.data.copy()
        self.data["shown"] = asked


class OffersByState(AccountRowsAdmin[ModelT]):
    """A page whose acts are offered only where the row's state allows them; the services refuse the rest anyway."""

    def offered(self, row: ModelT) -> frozenset[str]:
        """Names of the acts that make sense on this row."""
        raise NotImplementedError

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> list[Any]:
        row = self.model._default_manager.filter(pk=object_id).first() if str(object_id).isdecimal() else None
        if row is None:
            return []
        offered = self.offered(row)
        acts: list[Any] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [act for act in acts if act.method.original_function_name in offered]


class CardsBelow(ReadOnlyAdmin[ModelT]):
    """A page with cards below the row's own fields."""

    change_form_outer_after_template = "admin/console/cards_below.html"

    def cards_of(self, row: ModelT, request: HttpRequest) -> list[Card]:
        """The cards that this operator may see. Each is bounded."""
        raise NotImplementedError

    def change_view(
        self, request: HttpRequest, object_id: str, form_url: str = "", extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        row = self.get_object(request, unquote(object_id))
        context = dict(extra_context or {})
        if row is not None and self.has_view_permission(request, row):
            context["page"] = {"cards": self.cards_of(row, request)}
        return super().change_view(request, object_id, form_url, context)


def told_of(effect: Effect[list[Line]]) -> list[Line]:
    """An effect in words: what the act says, then each sum of the wallet that moves, as `before → after`."""
    return [*effect.result, *_moved(effect.before, effect.after)]


def change(before: object, after: object) -> str:
    """`before → after`, or that it stays."""
    return f"{before} → {after}" if before != after else f"{before}, as before"


def _moved(before: WalletView, after: WalletView) -> Iterator[Line]:
    for name in SUMS:
        was, becomes = getattr(before, f"{name}_nanos"), getattr(after, f"{name}_nanos")
        if was != becomes:
            yield name.capitalize(), f"{both(was)} → {both(becomes)}"


def _entries(effect: Effect[list[Line]]) -> list[Line]:
    first, last = effect.before.entries + 1, effect.after.entries
    if first > last:
        return []
    return [("Entry", str(last)) if first == last else ("Entries", f"{first} to {last}")]
