"""
Test cards: what a number stands for, and how a payment with it goes.

A number is looked at once, when it is given. What is kept is the brand, the last four digits, the expiry, a fingerprint,
and the name of a behavior.
"""

import hashlib
import hmac
import string
from dataclasses import dataclass

ALPHABET = string.ascii_letters + string.digits


@dataclass(frozen=True)
class Decline:
    """Why a bank says no: Stripe's error code, its decline code, and the sentence for the person."""

    code: str
    decline_code: str | None
    message: str
    advice: str | None = "try_again_later"


@dataclass(frozen=True)
class Behavior:
    """
    How payments with a card go. `challenge`: the person is asked to confirm (3-D Secure).
    `remembers`: asked once and saved, it may be charged later without asking. `attaches`: it can be saved although charges decline.
    """

    label: str
    decline: Decline | None = None
    challenge: bool = False
    remembers: bool = False
    attaches: bool = False


@dataclass(frozen=True)
class TestCard:
    """A number that Stripe documents for tests, under a name that may stand in a link."""

    name: str
    number: str
    brand: str
    behavior: str

    __test__ = False


GENERIC = Decline("card_declined", "generic_decline", "Your card was declined.")

BEHAVIORS = {
    "succeeds": Behavior("succeeds"),
    "declined": Behavior("is declined", GENERIC),
    "declined_later": Behavior("can be saved, then is declined", GENERIC, attaches=True),
    "insufficient_funds": Behavior(
        "has insufficient funds", Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
    ),
    "expired_card": Behavior("has expired", Decline("expired_card", "expired_card", "Your card has expired.", "do_not_try_again")),
    "incorrect_cvc": Behavior(
        "has another security code",
        Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.", "confirm_card_data"),
    ),
    "challenge_once": Behavior("asks for 3-D Secure", challenge=True, remembers=True),
    "challenge": Behavior("asks for 3-D Secure each time", challenge=True),
    "challenge_then_declined": Behavior("asks for 3-D Secure, then is declined", GENERIC, challenge=True),
    "not_a_test_card": Behavior(
        "is no test card",
        Decline(
            "card_declined",
            "test_mode_live_card",
            "Your card was declined. Your request was in test mode, but used a non test card.",
            None,
        ),
    ),
}

AUTHENTICATION_REQUIRED = Decline(
    "authentication_required", "authentication_required", "Your card was declined. This transaction requires authentication."
)
NOT_AUTHENTICATED = "We are unable to authenticate your payment method. Please choose a different payment method and try again."

TEST_CARDS = (
    TestCard("visa", "4242424242424242", "visa", "succeeds"),
    TestCard("mastercard", "5555555555554444", "mastercard", "succeeds"),
    TestCard("declined", "4000000000000002", "visa", "declined"),
    TestCard("insufficient-funds", "4000000000009995", "visa", "insufficient_funds"),
    TestCard("expired", "4000000000000069", "visa", "expired_card"),
    TestCard("incorrect-cvc", "4000000000000127", "visa", "incorrect_cvc"),
    TestCard("3d-secure", "4000002500003155", "visa", "challenge_once"),
    TestCard("3d-secure-always", "4000002760003184", "visa", "challenge"),
    TestCard("3d-secure-declined", "4000008400001629", "visa", "challenge_then_declined"),
    TestCard("declined-later", "4000000000000341", "visa", "declined_later"),
)

BY_NUMBER = {card.number: card for card in TEST_CARDS}
BY_NAME = {card.name: card for card in TEST_CARDS}

TOKENS = {
    "pm_card_visa": "visa",
    "pm_card_mastercard": "mastercard",
    "pm_card_chargeDeclined": "declined",
    "pm_card_visa_chargeDeclined": "declined",
    "pm_card_chargeCustomerFail": "declined-later",
    "pm_card_chargeDeclinedInsufficientFunds": "insufficient-funds",
    "pm_card_visa_chargeDeclinedInsufficientFunds": "insufficient-funds",
    "pm_card_chargeDeclinedExpiredCard": "expired",
    "pm_card_visa_chargeDeclinedExpiredCard": "expired",
    "pm_card_chargeDeclinedIncorrectCvc": "incorrect-cvc",
    "pm_card_visa_chargeDeclinedIncorrectCvc": "incorrect-cvc",
    "pm_card_authenticationRequiredOnSetup": "3d-secure",
    "pm_card_authenticationRequired": "3d-secure-always",
    "pm_card_threeDSecure2Required": "3d-secure-always",
    "tok_visa": "visa",
    "tok_mastercard": "mastercard",
    "tok_chargeDeclined": "declined",
    "tok_chargeCustomerFail": "declined-later",
    "tok_chargeDeclinedInsufficientFunds": "insufficient-funds",
    "tok_threeDSecure2Required": "3d-secure-always",
}
"""Stripe's names for payment methods (`pm_…`) and tokens (`tok_…`) that exist for tests, and the card each stands for."""

DIGITS_MIN, DIGITS_MAX = 13, 19


@dataclass(frozen=True)
class Card:
    """What is kept of a card."""

    brand: str
    last4: str
    exp_month: int
    exp_year: int
    fingerprint: str
    behavior: str


def digits(number: str) -> str:
    """A number without the blanks and dashes that people type."""
    return number.replace(" ", "").replace("-", "")


def is_number(number: str) -> bool:
    """Whether these digits can be a card number: long enough, and the last one checks the others (Luhn)."""
    if not (number.isascii() and number.isdigit() and DIGITS_MIN <= len(number) <= DIGITS_MAX):
        return False
    doubled = (int(digit) * (1 + index % 2) for index, digit in enumerate(reversed(number)))
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0  # noqa: PLR2004  Luhn's own numbers.


def read(number: str, exp_month: int, exp_year: int, secret: str) -> Card:
    """What is kept of a valid number. `secret` keys the fingerprint, so that it does not tell the number."""
    known = BY_NUMBER.get(number)
    brand = known.brand if known else _brand(number)
    behavior = known.behavior if known else "not_a_test_card"
    return Card(brand, number[-4:], exp_month, exp_year, _fingerprint(number, secret), behavior)


def _brand(number: str) -> str:
    starts = {"4": "visa", "5": "mastercard", "2": "mastercard", "34": "amex", "37": "amex", "6": "discover"}
    return next((brand for start, brand in starts.items() if number.startswith(start)), "unknown")


def _fingerprint(number: str, secret: str) -> str:
    """Sixteen letters and digits: the same for the same number, in this sandbox."""
    digest = hmac.new(secret.encode(), number.encode(), hashlib.sha256).digest()
    return "".join(ALPHABET[byte % len(ALPHABET)] for byte in digest[:16])
