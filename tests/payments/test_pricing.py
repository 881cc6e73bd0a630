"""What a purchase costs, in whole numbers, in every currency that is taken."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.currencies import EXPONENT_OF, minor_text, read_currency
from core.errors import InvalidInput
from payments.errors import BadTariff, CurrencyNotOffered, PurchaseOutOfRange
from payments.pricing import Tariff, quote_credits
from payments.tariff import read_tariff

USD = 1_000_000_000
CENT = 10_000_000
TARIFF = Tariff({"USD": 100_000_000, "EUR": 92_500_000, "JPY": 151_250_000}, 5 * USD, 10_000 * USD, 0)


def tariff_of(**changes: object) -> Tariff:
    given_settings: dict[str, object] = {"currencies": (("USD", "100"),), "min_usd": "5.00", "max_usd": "100.00", "fee_bp": 0}
    return read_tariff(**(given_settings | changes))


def test_dollars_cost_what_they_say() -> None:
    quote = quote_credits(TARIFF, credit_nanos=20 * USD, currency="USD")
    assert (quote.amount_minor, [line.credit_nanos for line in quote.lines]) == (2_000, [20 * USD])


@given(cents=st.integers(500, 1_000_000))
def test_every_cent_of_credit_costs_a_cent(cents: int) -> None:
    assert quote_credits(TARIFF, credit_nanos=cents * CENT, currency="USD").amount_minor == cents


@given(nanos=st.integers(5 * USD, 10_000 * USD), currency=st.sampled_from(["EUR", "JPY"]))
def test_other_currencies_are_rounded_once_half_to_even(nanos: int, currency: str) -> None:
    exact = Fraction(nanos * TARIFF.micro_minor_per_usd[currency], 10**15)
    quote = quote_credits(TARIFF, credit_nanos=nanos, currency=currency)
    assert (quote.amount_minor, quote.lines[0].credit_nanos) == (round(exact), nanos)


@given(cents=st.integers(500, 1_000_000), fee_bp=st.integers(0, 5_000))
def test_the_fee_is_a_line_of_its_own_and_credits_nothing(cents: int, fee_bp: int) -> None:
    quote = quote_credits(Tariff({"USD": 100_000_000}, CENT, 10_000 * USD, fee_bp), credit_nanos=cents * CENT, currency="USD")
    fee = round(Fraction(cents * fee_bp, 10_000))
    assert quote.amount_minor == cents + fee
    assert [line.credit_nanos for line in quote.lines] == [cents * CENT, 0][: 1 + (fee > 0)]


@pytest.mark.parametrize("nanos", [0, -USD, 5 * USD - CENT, 10_000 * USD + CENT, 5 * USD + 1])
def test_a_purchase_out_of_bounds_or_of_part_of_a_cent_is_refused(nanos: int) -> None:
    with pytest.raises(PurchaseOutOfRange):
        quote_credits(TARIFF, credit_nanos=nanos, currency="USD")


def test_a_currency_without_a_price_is_refused_and_the_others_are_named() -> None:
    with pytest.raises(CurrencyNotOffered, match="EUR, JPY, USD"):
        quote_credits(TARIFF, credit_nanos=20 * USD, currency="GBP")


def test_a_tariff_is_read_exactly() -> None:
    read = tariff_of(currencies=(("EUR", "92.345678"), ("USD", "100")))
    assert read.micro_minor_per_usd == {"EUR": 92_345_678, "USD": 100_000_000}
    assert (read.min_nanos, read.max_nanos) == (5 * USD, 100 * USD)


@pytest.mark.parametrize(
    "changes",
    [
        {"currencies": (("USD", "99"),)},
        {"currencies": (("EUR", "0"),)},
        {"currencies": (("EUR", "-1"),)},
        {"currencies": (("EUR", "1e2"),)},
        {"currencies": (("EUR", "92.3456789"),)},
        {"currencies": (("XXX", "1"),)},
        {"min_usd": "0"},
        {"min_usd": "200.00"},
        {"max_usd": "a lot"},
        {"fee_bp": -1},
        {"fee_bp": 5_001},
    ],
)
def test_a_tariff_that_cannot_be_meant_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(BadTariff):
        tariff_of(**changes)


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1999, "USD", "19.99"), (5, "USD", "0.05"), (1999, "JPY", "1999"), (-150, "EUR", "-1.50")],
)
def test_minor_units_are_written_by_their_currency(minor: int, currency: str, text: str) -> None:
    assert minor_text(minor, currency) == text


def test_a_currency_is_three_letters_that_are_known() -> None:
    assert read_currency("usd", field="currency") == "USD"
    assert set(EXPONENT_OF.values()) == {0, 2}
    for wrong in ("", "US", "USDT", "ÜSD", "XYZ", "US\x00"):
        with pytest.raises(InvalidInput, match="three letters"):
            read_currency(wrong, field="currency")
