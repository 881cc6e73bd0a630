"""rate() against exact fractions, and its one rounding."""

from dataclasses import astuple
from fractions import Fraction
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from core.rounding import half_even
from usage.errors import CostOutOfRange
from usage.models.price_book import PRICE_MAX_NANOS
from usage.rating import MAX_EVENT_COST_NANOS, Prices, Quantities, rate

QUANTITY_MAX: Final = 2**31
MULTIPLIER_MAX: Final = 1_000_000

small_or_any_price = st.integers(0, 10**10) | st.integers(0, PRICE_MAX_NANOS)
small_or_any_quantity = st.integers(0, 10_000) | st.integers(0, QUANTITY_MAX)
prices = st.builds(Prices, *[small_or_any_price] * 8, st.sampled_from((0, 1, 9_999, 10_000, 12_345)) | st.integers(0, MULTIPLIER_MAX))
quantities = st.builds(Quantities, *[small_or_any_quantity] * 8)


def in_fractions(price: Prices, used: Quantities) -> Fraction:
    """The cost before rounding, written down independently."""
    per_million, per_unit = astuple(price)[:5], astuple(price)[5:8]
    tokens, units = astuple(used)[:5], astuple(used)[5:]
    exact = sum((Fraction(n * p, 10**6) for n, p in zip(tokens, per_million, strict=True)), Fraction(0))
    exact += sum(n * p for n, p in zip(units, per_unit, strict=True))
    scaled: Fraction = exact * Fraction(price.multiplier_bp, 10**4)
    return scaled


@settings(max_examples=500, deadline=None)
@given(prices, quantities)
def test_the_cost_is_the_exact_fraction_rounded_once_or_refused(price: Prices, used: Quantities) -> None:
    expected = round(in_fractions(price, used))
    if expected > MAX_EVENT_COST_NANOS:
        with pytest.raises(CostOutOfRange):
            rate(price, used)
    else:
        assert rate(price, used) == expected


@settings(max_examples=300, deadline=None)
@given(st.integers(0, 10**40), st.integers(1, 10**20))
def test_half_even_is_the_rounding_of_fractions(numerator: int, denominator: int) -> None:
    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@settings(max_examples=200, deadline=None)
@given(st.integers(0, 10**30), st.integers(1, 10**12))
def test_ties_go_to_the_even_neighbour(quotient: int, half: int) -> None:
    assert half_even((2 * quotient + 1) * half, 2 * half) == quotient + quotient % 2


@pytest.mark.parametrize(("tokens", "cost"), [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 2), (6, 3), (7, 4)])
def test_half_a_nano_a_token_rounds_ties_to_even(tokens: int, cost: int) -> None:
    half = Prices(500_000, 0, 0, 0, 0, 0, 0, 0, 10_000)
    assert rate(half, Quantities(input_tokens=tokens)) == cost


def test_classes_are_added_before_the_one_rounding() -> None:
    third = Prices(333_333, 333_333, 333_333, 333_333, 333_333, 0, 0, 0, 10_000)
    assert rate(third, Quantities(1, 1, 1, 1, 1)) == 2


def test_a_request_is_counted_where_none_is_said() -> None:
    assert rate(Prices(0, 0, 0, 0, 0, 7, 0, 0, 10_000), Quantities()) == 7


def test_the_multiplier_is_in_basis_points() -> None:
    prices = [Prices(10**6, 0, 0, 0, 0, 0, 0, 0, bp) for bp in (0, 1, 5_000, 10_000, 15_000, MULTIPLIER_MAX)]
    assert [rate(price, Quantities(10_000)) for price in prices] == [0, 1, 5_000, 10_000, 15_000, 1_000_000]


def test_a_million_dollars_is_the_most_that_one_event_costs() -> None:
    dear = Prices(0, 0, 0, 0, 0, 0, MAX_EVENT_COST_NANOS, 1, 10_000)
    assert rate(dear, Quantities(images=1)) == MAX_EVENT_COST_NANOS
    with pytest.raises(CostOutOfRange):
        rate(dear, Quantities(images=1, seconds=1))


def test_the_dearest_prices_and_longest_calls_do_not_overflow() -> None:
    top = PRICE_MAX_NANOS
    dearest = Prices(top, top, top, top, top, top, top, top, MULTIPLIER_MAX)
    with pytest.raises(CostOutOfRange):
        rate(dearest, Quantities(*[QUANTITY_MAX] * 8))
