"""The one rounding of money: half to even, on whole numbers."""


def half_even(numerator: int, denominator: int) -> int:
    """`numerator / denominator` (both ≥ 0, the latter above) as the nearest whole number, the even one where both are as near."""
    whole, rest = divmod(numerator, denominator)
    return whole + (2 * rest > denominator or (2 * rest == denominator and whole % 2 == 1))
