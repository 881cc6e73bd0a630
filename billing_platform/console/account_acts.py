"""What an operator may do to an account, each behind a dialog."""

from typing import ClassVar

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.enums import ActionVariant

from accounts.models import Account
from accounts.services.account import close_account, set_frozen
from billing_platform.console.account_forms import AccountForm, PriceTierForm
from billing_platform.console.credit_acts import CreditActs
from billing_platform.verification_keeping import ask_for_verification
from core import clock
from core.console.dialogs import dialog_action, done, operator_id


class AccountActs(CreditActs):
    """The acts of the account's page."""

    actions_detail: ClassVar[tuple[str | dict[str, object], ...]] = (
        "adjust_balance",
        {"title": "Credits", "icon": "redeem", "items": ["issue_grant", "write_off"]},
        {"title": "Rules", "icon": "rule", "items": ["set_limit", "remove_limit", "set_policy", "set_price_tier"]},
        {"title": "Account", "icon": "business", "items": ["verify", "freeze", "release", "close"]},
    )

    def offered(self, row: Account) -> frozenset[str]:
        """A closed account takes no credits and needs no rules; what it owes can still be mended."""
        offered = {"adjust_balance", "verify"} | self.offered_of_credits(row)
        if not row.is_closed:
            offered |= {"issue_grant", "set_limit", "set_policy", "set_price_tier", "close", "release" if row.is_frozen else "freeze"}
        return frozenset(offered)

    @dialog_action(
        "Verify books",
        permissions=("core.verify_account", "accounts.view_account"),
        form=AccountForm,
        icon="fact_check",
        submit="Verify now",
        explains="A worker recomputes every invariant of this account from its rows. Nothing is changed but the mark of doubt.",
    )
    def verify(self, request: HttpRequest, form: AccountForm, object_id: str) -> HttpResponse:
        """Have this account's books verified."""
        ask_for_verification(
            account_id=form.account.pk,
            actor_id=operator_id(request),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
        return done(request, _page(object_id), "A worker verifies the books of this account; the result is under Verifications.")

    @dialog_action(
        "Set price tier",
        permissions=("accounts.set_price_tier", "accounts.view_account"),
        form=PriceTierForm,
        icon="sell",
        submit="Continue",
        explains="Multipliers of the tier are what the account pays of the prices, where it has none of its own. It acts within a minute,"
        " on whatever is booked from then on: also on calls that were made before.",
    )
    def set_price_tier(self, request: HttpRequest, form: PriceTierForm, object_id: str) -> HttpResponse:
        """Put the account into a tier."""
        return form.perform(request, _page(object_id))

    @dialog_action(
        "Freeze account",
        permissions=("accounts.freeze_account", "accounts.view_account"),
        form=AccountForm,
        icon="ac_unit",
        submit="Freeze the account",
        explains="Holds, check-in and top-up are refused from now on. Usage is still booked, and paid money credited.",
    )
    def freeze(self, request: HttpRequest, form: AccountForm, object_id: str) -> HttpResponse:
        """Stop admission."""
        _set_frozen(request, form, is_frozen=True)
        return done(request, _page(object_id), "The account is frozen.")

    @dialog_action(
        "Release account",
        permissions=("accounts.freeze_account", "accounts.view_account"),
        form=AccountForm,
        icon="lock_open",
        submit="Release the account",
        explains="Holds, check-in and top-up are allowed again.",
    )
    def release(self, request: HttpRequest, form: AccountForm, object_id: str) -> HttpResponse:
        """End a freeze."""
        _set_frozen(request, form, is_frozen=False)
        return done(request, _page(object_id), "The account is released.")

    @dialog_action(
        "Close account",
        permissions=("accounts.close_account", "accounts.view_account"),
        form=AccountForm,
        icon="delete_forever",
        submit="Close the account for good",
        explains="Its name, address, members and invites go, its keys are revoked; entries stay. Cannot be undone.",
        variant=ActionVariant.DANGER,
    )
    def close(self, request: HttpRequest, form: AccountForm, object_id: str) -> HttpResponse:
        """End the account."""
        close_account(
            account_id=form.account.pk,
            actor_id=operator_id(request),
            reason=form.cleaned_data["reason"],
            now=clock.now(),
        )
        return done(request, _page(object_id), "The account is closed.")


def _set_frozen(request: HttpRequest, form: AccountForm, *, is_frozen: bool) -> None:
    set_frozen(
        account_id=form.account.pk,
        is_frozen=is_frozen,
        actor_id=operator_id(request),
        reason=form.cleaned_data["reason"],
        now=clock.now(),
    )


def _page(object_id: str) -> str:
    return reverse("admin:accounts_account_change", args=(object_id,))
