"""What an operator may do to a grant, each behind a dialog: void it, freeze it or a part of it, release it."""

from datetime import datetime
from typing import ClassVar

from django.http import HttpRequest, HttpResponse
from django.utils.functional import cached_property
from unfold.enums import ActionVariant

from core.console.dialogs import dialog_action
from core.console.forms import OptionalUsdField
from core.console.shown import both, page_url
from credits.admin.previews import Line, OffersByState, PreviewForm, change
from credits.models import Grant
from credits.services.grants import freeze_grant, release_grant, void_grant


class GrantForm(PreviewForm):
    """A dialog on a grant."""

    @cached_property
    def grant(self) -> Grant:
        """The grant it was opened on. Raises Http404."""
        return self.opened_on(Grant.objects.select_related("account"))

    @property
    def account_id(self) -> int:
        return self.grant.account_id

    def lines_before(self) -> list[Line]:
        grant = self.grant
        return [
            ("Account", str(grant.account)),
            ("Grant", f"{grant.pk}, {grant.get_kind_display().lower()}, {grant.category}"),
            ("Given", both(grant.amount_nanos)),
            ("Remaining now", both(grant.remaining_nanos)),
        ]


class VoidGrantForm(GrantForm):
    """Ends what remains of a grant."""

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        grant = self.grant
        after = void_grant(account_id=grant.account_id, grant_id=grant.pk, reason=self.reason_given, actor_id=actor_id, now=now)
        lines = [("Grant", "voided")]
        if grant.booked_at is None:
            return [*lines, ("Note", "it was never booked: no entry is made, and it never will be")]
        return [*lines, ("Remaining", change(both(grant.remaining_nanos), both(after.remaining_nanos)))]


class FreezeGrantForm(GrantForm):
    """Freezes a grant, or a part of what remains of it."""

    field_order = ("amount", "reason")

    amount = OptionalUsdField(
        label="Freeze only so much, in dollars",
        help_text="Empty: the whole grant. Less than what remains: that part is split off, and the rest goes on paying.",
    )

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        grant = self.grant
        frozen = freeze_grant(
            account_id=grant.account_id,
            grant_id=grant.pk,
            reason=self.reason_given,
            actor_id=actor_id,
            now=now,
            amount_nanos=self.cleaned_data["amount"],
            part=self.key,
        )
        if frozen.pk == grant.pk:
            return [("Frozen", f"all that remains, {both(frozen.remaining_nanos)}")]
        kept = Grant.objects.get(pk=grant.pk).remaining_nanos
        return [("Split off and frozen", both(frozen.amount_nanos)), ("Remaining of this grant", both(kept))]


class ReleaseGrantForm(GrantForm):
    """Ends a freeze."""

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        grant = self.grant
        after = release_grant(account_id=grant.account_id, grant_id=grant.pk, reason=self.reason_given, actor_id=actor_id, now=now)
        lines = [("Grant", "released")] if grant.is_frozen else []
        if after.expired_at is not None:
            lines.append(("Note", "its end has passed meanwhile: what remained expires at once"))
        elif after.remaining_nanos != grant.remaining_nanos:
            lines.append(("Remaining", change(both(grant.remaining_nanos), both(after.remaining_nanos))))
        return lines


class GrantActs(OffersByState[Grant]):
    """The acts of the grant's page."""

    actions_detail: ClassVar[tuple[str, ...]] = ("void", "freeze", "release")

    def offered(self, row: Grant) -> frozenset[str]:
        """A spent grant can be frozen, to take what is returned to it; there is nothing left of it to void."""
        if row.voided_at is not None or row.expired_at is not None:
            return frozenset()
        has_something = row.booked_at is None or row.remaining_nanos > 0
        return frozenset({"release" if row.is_frozen else "freeze", *(["void"] if has_something else [])})

    @dialog_action(
        "Void grant",
        permissions=("credits.void_grant", "credits.view_grant"),
        form=VoidGrantForm,
        icon="block",
        submit="Continue",
        explains="Ends what remains of it now. What was spent of it stays spent. Cannot be undone, but the entry can be reversed, "
        "which gives a compensation grant.",
        variant=ActionVariant.DANGER,
    )
    def void(self, request: HttpRequest, form: VoidGrantForm, object_id: str) -> HttpResponse:
        """End what remains of it."""
        return form.perform(request, page_url("credits_grant", object_id))

    @dialog_action(
        "Freeze grant",
        permissions=("credits.freeze_grant", "credits.view_grant"),
        form=FreezeGrantForm,
        icon="ac_unit",
        submit="Continue",
        explains="A frozen grant pays for nothing and does not lapse, until it is released. What is returned to it, it takes.",
    )
    def freeze(self, request: HttpRequest, form: FreezeGrantForm, object_id: str) -> HttpResponse:
        """Keep it, or a part of it, from paying."""
        return form.perform(request, page_url("credits_grant", object_id))

    @dialog_action(
        "Release grant",
        permissions=("credits.freeze_grant", "credits.view_grant"),
        form=ReleaseGrantForm,
        icon="lock_open",
        submit="Continue",
        explains="It pays again. What its dates made due meanwhile is booked at once, and debt is settled from it.",
    )
    def release(self, request: HttpRequest, form: ReleaseGrantForm, object_id: str) -> HttpResponse:
        """End its freeze."""
        return form.perform(request, page_url("credits_grant", object_id))
