"""GPU time in the hours that people write and budgets are in, and in the whole seconds that are planned with."""

from decimal import ROUND_HALF_UP, Decimal

SECONDS_IN_AN_HOUR = 3_600
DIGITS = 2
LEAST_SECONDS = 36
"""A hundredth of an hour: what is written with two digits after the point is whole seconds, and comes back as it was."""


def seconds(hours: float | Decimal) -> int:
    return int((Decimal(str(hours)) * SECONDS_IN_AN_HOUR).to_integral_value(ROUND_HALF_UP))


def hours(gpu_seconds: int) -> float:
    """With two digits after the point."""
    return round(gpu_seconds / SECONDS_IN_AN_HOUR, DIGITS)
