"""The form on a checkout's page: what was typed, and what is wrong with it."""

import re
from dataclasses import dataclass, field

from sandbox.forms import Tree
from sandbox.stripe import cards
from sandbox.stripe.cards import Card
from sandbox.stripe.payment_methods import BANK, full_year, is_past

_EXPIRY = re.compile(r"\s*(0?[1-9]|1[0-2])\s*[/\-]\s*((?:20)?[0-9]{2})\s*")
_CVC = re.compile(r"[0-9]{3,4}")
_EMAIL = re.compile(r"[^@\s]{1,200}@[^@\s]{1,200}")
NAME_MAX = 200

SAMPLE = {"exp": "12/34", "cvc": "123", "name": "Test Person"}


@dataclass
class Form:
    """What a person typed, by the names of the inputs; `errors` says per input what is wrong."""

    typed: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """What was typed there, without blanks around it."""
        return self.typed.get(name, "").strip()

    def shown(self) -> dict[str, str]:
        """What the page shows again. A number has to be typed again, unless it is a test card's, which stands on the page anyway."""
        public = cards.digits(self.value("number")) in cards.BY_NUMBER
        names = ("email", "name", "exp", "number", "cvc") if public else ("email", "name", "exp")
        return {name: self.value(name) for name in names}

    @property
    def by_bank(self) -> bool:
        """Whether the person pays by bank debit."""
        return self.value("method") == BANK


def of(sent: Tree) -> Form:
    """The form that a browser sent."""
    return Form({name: value for name, value in sent.items() if isinstance(value, str)})


def with_card(name: str) -> Form:
    """A form that is filled in with a test card; empty if there is none of that name."""
    known = cards.BY_NAME.get(name)
    return Form() if known is None else Form({"number": known.number, **SAMPLE})


def check(form: Form, *, now: int, secret: str, known_email: str | None, methods: list[str]) -> Card | None:
    """The card that was typed; None for a bank debit, or if anything is wrong: then `form.errors` says what."""
    if known_email is None and not _EMAIL.fullmatch(form.value("email")):
        form.errors["email"] = "Enter an e-mail address."
    if not form.value("name") or len(form.value("name")) > NAME_MAX:
        form.errors["name"] = "Enter your name."
    if form.value("method") not in {"", *methods}:
        form.errors["method"] = "Choose a way to pay."
    card = None if form.by_bank else _card(form, now, secret)
    return None if form.errors else card


def _card(form: Form, now: int, secret: str) -> Card | None:
    number = cards.digits(form.value("number"))
    if not cards.is_number(number):
        form.errors["number"] = "Your card number is invalid."
    if not _CVC.fullmatch(form.value("cvc")):
        form.errors["cvc"] = "Your card's security code is incomplete."
    month, year = _expiry(form, now)
    return None if form.errors else cards.read(number, month, year, secret)


def _expiry(form: Form, now: int) -> tuple[int, int]:
    found = _EXPIRY.fullmatch(form.value("exp"))
    if found is None:
        form.errors["exp"] = "Your card's expiration date is incomplete."
        return 0, 0
    month, year = int(found[1]), full_year(int(found[2]))
    if is_past(now, month, year):
        form.errors["exp"] = "Your card's expiration date is in the past."
    return month, year
