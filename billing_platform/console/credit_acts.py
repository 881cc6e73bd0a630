"""What an operator may do to an account's credits, each behind a dialog that shows its effect before."""

from django.http import HttpRequest, HttpResponse
from unfold.enums import ActionVariant

from accounts.models import Account
from billing_platform.console.account_forms import (
    AdjustBalanceForm,
    IssueGrantForm,
    PolicyForm,
    RemoveLimitForm,
    SetLimitForm,
    WriteOffForm,
)
from core.console.dialogs import dialog_action
from core.console.shown import page_url
from credits.admin.previews import OffersByState, PreviewForm
from credits.admin.work import wallet_of


class CreditActs(OffersByState[Account]):
    """The acts on credits and their rules."""

    def offered_of_credits(self, account: Account) -> set[str]:
        """What the wallet's state allows: debt is written off where there is some."""
        wallet = wallet_of(account.pk)
        if wallet is None:
            return set()
        return {act for act, is_possible in (("write_off", wallet.debt_nanos > 0), ("remove_limit", wallet.has_limits)) if is_possible}

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
        return _perform(form, request, object_id)

    @dialog_action(
        "Issue grant",
        permissions=("credits.issue_grant", "accounts.view_account"),
        form=IssueGrantForm,
        icon="redeem",
        submit="Continue",
        explains="A lot of credits on its own terms: promotion, goodwill, or a balance taken over. Its terms never change.",
    )
    def issue_grant(self, request: HttpRequest, form: IssueGrantForm, object_id: str) -> HttpResponse:
        """Give credits on terms."""
        return _perform(form, request, object_id)

    @dialog_action(
        "Write off debt",
        permissions=("credits.write_off_debt", "accounts.view_account"),
        form=WriteOffForm,
        icon="money_off",
        submit="Continue",
        explains="We bear what the customer owes. What was written off is never given back by reversing an entry.",
        variant=ActionVariant.DANGER,
    )
    def write_off(self, request: HttpRequest, form: WriteOffForm, object_id: str) -> HttpResponse:
        """Bear debt."""
        return _perform(form, request, object_id)

    @dialog_action(
        "Set limit",
        permissions=("credits.set_limit", "accounts.view_account"),
        form=SetLimitForm,
        icon="speed",
        submit="Continue",
        explains="Holds that would pass it are refused. Usage that happens all the same is booked and counted. "
        "What was spent in the window already counts.",
    )
    def set_limit(self, request: HttpRequest, form: SetLimitForm, object_id: str) -> HttpResponse:
        """Make or change a limit."""
        return _perform(form, request, object_id)

    @dialog_action(
        "Remove limit",
        permissions=("credits.set_limit", "accounts.view_account"),
        form=RemoveLimitForm,
        icon="remove_road",
        submit="Continue",
    )
    def remove_limit(self, request: HttpRequest, form: RemoveLimitForm, object_id: str) -> HttpResponse:
        """Take a limit away."""
        return _perform(form, request, object_id)

    @dialog_action(
        "Set overrun policy",
        permissions=("credits.set_policy", "accounts.view_account"),
        form=PolicyForm,
        icon="balance",
        submit="Continue",
        explains="A call may cost more than was held for it. What is available pays for it first, whatever is chosen here. "
        "It acts at capture, also of holds that are open now.",
    )
    def set_policy(self, request: HttpRequest, form: PolicyForm, object_id: str) -> HttpResponse:
        """Say who bears an overrun."""
        return _perform(form, request, object_id)


def _perform(form: PreviewForm, request: HttpRequest, object_id: str) -> HttpResponse:
    return form.perform(request, page_url("accounts_account", object_id))
