"""What an operator may do to an account, each behind a dialog."""

from typing import TYPE_CHECKING, Any, ClassVar

from django import forms
from django.http import HttpRequest, HttpResponse, QueryDict
from django.urls import reverse
from django.utils.functional import cached_property
from unfold.enums import ActionVariant

from accounts.models import Account
from accounts.services.account import close_account, set_frozen
from core import clock
from core.console.dialogs import OnceForm, ReasonForm, dialog_action, done, operator_id
from core.console.forms import UsdField
from core.console.pages import AccountRowsAdmin
from core.console.shown import both
from credits.services.adjustments import adjust_balance
from credits.services.wallets import WalletView, read_wallet

if TYPE_CHECKING:
    from unfold.dataclasses import UnfoldAction


class AccountForm(ReasonForm):
    """A dialog on an account."""

    @cached_property
    def account(self) -> Account:
        """The account it was opened on. Raises Http404."""
        return self.opened_on(Account.objects.all())

    @cached_property
    def wallet(self) -> WalletView:
        """Its wallet, with what is due booked."""
        return read_wallet(account_id=self.account.pk, now=clock.now())

    def lines_before(self) -> list[tuple[str, str]]:
        lines = [("Account", str(self.account)), ("Balance now", both(self.wallet.balance_nanos))]
        return [*lines, ("Debt now", both(self.wallet.debt_nanos))] if self.wallet.debt_nanos else lines


class AdjustBalanceForm(OnceForm, AccountForm):
    """How much, and why. The first press shows the effect, the second does it; sent twice, it is done once."""

    field_order = ("amount", "reason")

    amount = UsdField(label="Amount in dollars", help_text="Such as 12.50, or -3 to take credits away. At most 9 decimals.")
    shown_amount = forms.CharField(required=False, widget=forms.HiddenInput)

    data: QueryDict

    unseen_nanos: int | None = None
    """The amount whose effect the operator has yet to see."""

    def clean_amount(self) -> int:
        nanos: int = self.cleaned_data["amount"]
        if nanos == 0:
            raise forms.ValidationError("An adjustment of 0 would do nothing.")
        return nanos

    def clean(self) -> dict[str, Any]:
        """Ask for a second press where this amount's effect was not shown yet."""
        nanos = self.cleaned_data.get("amount")
        if not self.errors and self.cleaned_data["shown_amount"] != str(nanos):
            self.unseen_nanos = nanos
            self.data = self.data.copy()
            self.data["shown_amount"] = str(nanos)
        return dict(self.cleaned_data)

    def is_valid(self) -> bool:
        """Valid at the second press only."""
        return bool(super().is_valid()) and self.unseen_nanos is None

    def effect(self) -> list[tuple[str, str]]:
        return [] if self.unseen_nanos is None else effect_on(self.wallet, self.unseen_nanos)


class AccountActs(AccountRowsAdmin[Account]):
    """The acts of the account's page."""

    actions_detail: ClassVar[tuple[str, ...]] = ("adjust_balance", "freeze", "release", "close")

    def get_actions_detail(self, request: HttpRequest, object_id: str) -> "list[UnfoldAction]":
        """Only what this account's state allows; the services refuse the rest anyway."""
        account = Account.objects.filter(pk=object_id).first() if str(object_id).isdecimal() else None
        if account is None:
            return []
        useless = {"release"} if not account.is_frozen else {"freeze"}
        useless |= {"freeze", "release", "close"} if account.is_closed else set()
        acts: list[UnfoldAction] = super().get_actions_detail(request, object_id)  # type: ignore[misc]
        return [act for act in acts if act.path not in useless]

    @dialog_action(
        "Adjust balance",
        permissions=("credits.adjust_balance", "accounts.view_account"),
        form=AdjustBalanceForm,
        icon="exposure",
        submit="Continue",
        variant=ActionVariant.PRIMARY,
    )
    def adjust_balance(self, request: HttpRequest, form: AdjustBalanceForm, object_id: str) -> HttpResponse:
        """Add or take credits by hand."""
        entry = adjust_balance(
            account_id=form.account.pk,
            amount_nanos=form.cleaned_data["amount"],
            reason=form.cleaned_data["reason"],
            actor_id=operator_id(request),
            source_key=f"manual:{form.cleaned_data['token']}",
            now=clock.now(),
        )
        after = entry.balance_after_nanos
        return done(request, _page(object_id), f"Balance {both(after - entry.amount_nanos)} → {both(after)}, entry {entry.seq}.")

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


def effect_on(wallet: WalletView, nanos: int) -> list[tuple[str, str]]:
    """What adding `nanos` to this wallet does, in words and `before → after`."""
    before, after = wallet.balance_nanos, wallet.balance_nanos + nanos
    lines = [("Add" if nanos > 0 else "Take away", both(abs(nanos))), ("Balance", f"{both(before)} → {both(after)}")]
    if nanos < 0 and -nanos > wallet.available_nanos:
        lines.append(("Note", "more than is available: the rest becomes debt"))
    return lines


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
