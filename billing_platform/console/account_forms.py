"""Dialogs on an account: what they ask, and what they show before."""

from datetime import datetime
from typing import Any, Final

from django import forms
from django.utils.functional import cached_property
from unfold.widgets import UnfoldAdminIntegerFieldWidget, UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget

from accounts.models import Account
from accounts.selectors import list_api_keys
from accounts.services.account import TIER_MAX, set_price_tier
from core import clock
from core.console.dialogs import ReasonForm
from core.console.forms import UsdField
from core.console.shown import both
from core.money import usd_text
from credits.admin.limits import window_words
from credits.admin.previews import Line, PreviewForm, change
from credits.books import Source
from credits.services.adjustments import adjust_balance, write_off
from credits.services.grants import Book, Category, GrantTerms, Kind, issue_grant
from credits.services.limits import Duration, LimitTerms, LimitView, Strategy, list_limits, remove_limit, set_limit
from credits.services.policies import Policy, set_policy, wallet_policy
from credits.services.wallets import WalletView, read_wallet
from usage.admin.terms import factor
from usage.services.multipliers import multipliers_of_account

ISSUED_BY_HAND: Final = {
    Kind.PROMO: Book.PROMO,
    Kind.COMPENSATION: Book.PROMO,
    Kind.COUPON_BONUS: Book.PROMO,
    Kind.OPENING: Book.ADJUSTMENT,
}
"""What an operator may issue, and its other side. What is bought, planned or checked in comes by itself."""
POLICY_WORDS: Final = {
    Policy.DEBT: "the customer, into debt",
    Policy.ABSORB: "us: we absorb it",
}
KEYS_SHOWN: Final = 200
MULTIPLIERS_SHOWN: Final = 10


class UtcTimeWidget(UnfoldAdminTextInputWidget):  # type: ignore[misc]  # unfold has no types
    """The browser's own picker of a date and a time, without a zone: it is read as UTC."""

    input_type = "datetime-local"


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

    @property
    def account_id(self) -> int:
        """Its key."""
        return self.account.pk

    def lines_before(self) -> list[Line]:
        lines = [("Account", str(self.account)), ("Balance now", both(self.wallet.balance_nanos))]
        return [*lines, ("Debt now", both(self.wallet.debt_nanos))] if self.wallet.debt_nanos else lines


class AdjustBalanceForm(AccountForm, PreviewForm):
    """How much, and why."""

    field_order = ("amount", "reason")

    amount = UsdField(label="Amount in dollars", help_text="Such as 12.50, or -3 to take credits away. At most 9 decimals.")

    def clean_amount(self) -> int:
        nanos: int = self.cleaned_data["amount"]
        if nanos == 0:
            raise forms.ValidationError("An adjustment of 0 would do nothing.")
        return nanos

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        nanos, debt = self.cleaned_data["amount"], self.wallet.debt_nanos
        adjust_balance(
            account_id=self.account_id,
            amount_nanos=nanos,
            reason=self.reason_given,
            actor_id=actor_id,
            source_key=f"manual:{self.key}",
            now=now,
        )
        lines = [("Added" if nanos > 0 else "Taken away", both(abs(nanos)))]
        more_debt = read_wallet(account_id=self.account_id, now=now).debt_nanos - debt
        return [*lines, ("Note", "more than its grants hold: the rest becomes debt")] if more_debt > 0 else lines


class IssueGrantForm(AccountForm, PreviewForm):
    """A lot of credits on terms of its own."""

    field_order = ("amount", "kind", "category", "effective_at", "expires_at", "priority", "reason")

    amount = UsdField(label="Amount in dollars")
    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in ISSUED_BY_HAND], widget=UnfoldAdminSelectWidget)
    category = forms.ChoiceField(
        choices=Category.choices,
        initial=Category.PROMO,
        widget=UnfoldAdminSelectWidget,
        help_text="Paid: somebody gave money for it, as in an opening balance taken over from elsewhere.",
    )
    effective_at = forms.DateTimeField(label="Pays from, UTC", required=False, widget=UtcTimeWidget, help_text="Empty: now.")
    expires_at = forms.DateTimeField(label="Ends, UTC", required=False, widget=UtcTimeWidget, help_text="Empty: never.")
    priority = forms.IntegerField(
        min_value=-1000, max_value=1000, initial=0, widget=UnfoldAdminIntegerFieldWidget, help_text="Lower burns first. 0 is usual."
    )

    def clean_category(self) -> str:
        category = str(self.cleaned_data["category"])
        if category == Category.PAID and self.cleaned_data.get("kind") not in {None, Kind.OPENING.value}:
            raise forms.ValidationError("Only an opening balance is paid; goodwill and promotions are promotional.")
        return category

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        asked = self.cleaned_data
        kind = Kind(asked["kind"])
        terms = GrantTerms(
            amount_nanos=asked["amount"],
            kind=kind,
            book=ISSUED_BY_HAND[kind],
            category=Category(asked["category"]),
            source=Source("operator", str(actor_id), f"issued:{self.key}"),
            priority=asked["priority"],
            effective_at=asked["effective_at"],
            expires_at=asked["expires_at"],
            actor_id=actor_id,
        )
        grant = issue_grant(account_id=self.account_id, terms=terms, now=now, reason=self.reason_given)
        ends = f"{grant.expires_at:%Y-%m-%d %H:%M} UTC" if grant.expires_at else "never"
        lines = [("Grant", f"{both(grant.amount_nanos)}, {kind.label.lower()}, counts as {grant.category}"), ("Ends", ends)]
        if grant.booked_at is None:
            lines.append(("Note", f"nothing moves before {grant.effective_at:%Y-%m-%d %H:%M} UTC"))
        return lines


class WriteOffForm(AccountForm, PreviewForm):
    """How much of the debt the operator bears; all of it, unless less is said."""

    field_order = ("amount", "reason")

    amount = UsdField(label="Write off, in dollars", help_text="All of the debt, or a part of it: the oldest first.")

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["amount"].initial = lambda: usd_text(self.wallet.debt_nanos)

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        nanos: int = self.cleaned_data["amount"]
        write_off(
            account_id=self.account_id,
            amount_nanos=nanos,
            reason=self.reason_given,
            actor_id=actor_id,
            source_key=f"write_off:{self.key}",
            now=now,
        )
        return [("We bear", both(nanos))]


class PolicyForm(AccountForm, PreviewForm):
    """Who bears what a capture costs beyond its hold."""

    field_order = ("policy", "reason")

    policy = forms.ChoiceField(
        label="What a call costs beyond its hold is borne by",
        choices=[(policy.value, words) for policy, words in POLICY_WORDS.items()],
        widget=UnfoldAdminSelectWidget,
    )

    def lines_before(self) -> list[Line]:
        return [*super().lines_before(), ("Borne by now", POLICY_WORDS[wallet_policy(self.account_id)])]

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        before, after = wallet_policy(self.account_id), Policy(self.cleaned_data["policy"])
        set_policy(account_id=self.account_id, policy=after, reason=self.reason_given, actor_id=actor_id, now=now)
        return [("Borne by", change(POLICY_WORDS[before], POLICY_WORDS[after]))] if before != after else []


class PriceTierForm(AccountForm, PreviewForm):
    """Whose multipliers the account pays by, where it has none of its own."""

    field_order = ("tier", "reason")

    tier = forms.CharField(
        label="Price tier",
        required=False,
        max_length=TIER_MAX,
        widget=UnfoldAdminTextInputWidget,
        help_text="As multipliers name it. Empty: none.",
    )

    def lines_before(self) -> list[Line]:
        return [*super().lines_before(), ("Price tier now", self.account.price_tier or "none")]

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        before, tier, paid = self.account.price_tier, str(self.cleaned_data["tier"]), _pays(self.account_id, now)
        set_price_tier(account_id=self.account_id, tier=tier, reason=self.reason_given, actor_id=actor_id, now=now)
        if before == tier:
            return []
        return [("Price tier", f"{before or 'none'} → {tier or 'none'}"), ("Pays now", change(paid, _pays(self.account_id, now)))]


def _pays(account_id: int, now: datetime) -> str:
    """What is in force for an account, the most specific first."""
    found = multipliers_of_account(account_id, now)
    told = [f"× {factor(row.multiplier_bp)} of {row.model or 'every model'}" for row in found[:MULTIPLIERS_SHOWN]]
    return ", ".join([*told, *(["…"] if len(found) > MULTIPLIERS_SHOWN else [])]) or "the prices as they stand"


class LimitForm(AccountForm, PreviewForm):
    """A dialog on the limit of an account, or of one of its keys."""

    whose = forms.ChoiceField(label="Limit of", required=False, widget=UnfoldAdminSelectWidget)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["whose"].choices = self._choices

    def limit_now(self, now: datetime) -> LimitView | None:
        """The limit that is chosen, as it stands."""
        views = list_limits(account_id=self.account_id, now=now)
        return next((view for view in views if view.api_key_id == self.chosen_key), None)

    @property
    def chosen_key(self) -> int | None:
        """The key it is for; None is the whole account."""
        text = self.cleaned_data["whose"]
        return int(text) if text else None

    def _choices(self) -> list[tuple[str, str]]:
        limits = {view.api_key_id: limit_words(view) for view in list_limits(account_id=self.account_id, now=clock.now())}
        keys = [(key.pk, str(key)) for key in list_api_keys(self.account_id)[:KEYS_SHOWN]]
        named: list[tuple[int | None, str]] = [(None, "the whole account"), *keys]
        return [(str(pk or ""), f"{name}: {limits[pk]}" if pk in limits else name) for pk, name in named]


class SetLimitForm(LimitForm):
    """How much may be spent in a window."""

    field_order = ("whose", "amount", "duration", "strategy", "reason")

    amount = UsdField(label="At most, in dollars", help_text="0 refuses every hold.")
    duration = forms.ChoiceField(label="In a window that is", choices=Duration.choices, widget=UnfoldAdminSelectWidget)
    strategy = forms.ChoiceField(
        label="And is",
        choices=Strategy.choices,
        widget=UnfoldAdminSelectWidget,
        help_text="Fixed: the calendar's, in the account's zone. Sliding: the time just passed.",
    )

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        asked, before = self.cleaned_data, self.limit_now(now)
        terms = LimitTerms(asked["amount"], Duration(asked["duration"]), Strategy(asked["strategy"]), self.chosen_key)
        after = set_limit(account_id=self.account_id, terms=terms, actor_id=actor_id, reason=self.reason_given, now=now)
        if before is not None and limit_words(before) == limit_words(after):
            return []
        note = [("Note", "it is reached: holds are refused at once")] if not after.remaining_nanos else []
        return [("Limit", f"{limit_words(before)} → {limit_words(after)}"), ("Used now", both(after.used_nanos)), *note]


class RemoveLimitForm(LimitForm):
    """Takes a limit away."""

    field_order = ("whose", "reason")

    def act(self, actor_id: int, now: datetime) -> list[Line]:
        before = self.limit_now(now)
        remove_limit(account_id=self.account_id, api_key_id=self.chosen_key, actor_id=actor_id, reason=self.reason_given, now=now)
        return [("Limit", f"{limit_words(before)} → {limit_words(None)}")] if before else []


def limit_words(limit: LimitView | None) -> str:
    """A limit's terms."""
    return "none" if limit is None else f"{both(limit.amount_nanos)} {window_words(limit.duration, limit.strategy)}"
