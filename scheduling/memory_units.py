"""Memory in the gigabytes that people write and in the whole megabytes that are planned with; what was asked comes back.

Memory of a machine counts in 1024s, as the kernel does. Memory of a GPU counts as its maker sells it, in 10^9 bytes, so that
"80 GB" fits on an "80 GB" card, which reports 81,559 of our megabytes.
"""

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache

MB_IN_A_GB = 1024
MB_IN_A_SOLD_GB = Decimal(10**9) / 2**20
MOST_DIGITS = 6
DIGITS_SHOWN = Decimal("0.1")


def megabytes(gigabytes: float) -> int:
    """The least that is not less."""
    return int((Decimal(str(gigabytes)) * MB_IN_A_GB).to_integral_value(ROUND_CEILING))


def gpu_megabytes(gigabytes: float) -> int:
    """The most that is not more: a card that is sold with this size has it."""
    return int((Decimal(str(gigabytes)) * MB_IN_A_SOLD_GB).to_integral_value(ROUND_FLOOR))


@lru_cache(maxsize=4096)
def gigabytes(asked_mb: int) -> float:
    """The shortest number that `megabytes` makes this of: what was asked for, if that had up to three digits after the point."""
    return _shortest(Decimal(asked_mb) / MB_IN_A_GB, ROUND_FLOOR, lambda number: megabytes(number) == asked_mb)


@lru_cache(maxsize=4096)
def gpu_gigabytes(asked_mb: int) -> float:
    """The shortest number that `gpu_megabytes` makes this of: what was asked for, if that had up to two digits."""
    return _shortest(
        Decimal(asked_mb) / MB_IN_A_SOLD_GB, ROUND_CEILING, lambda number: gpu_megabytes(number) == asked_mb
    )


def gpu_gigabytes_there(reported_mb: int) -> float:
    """The memory of a card, in the unit in which it is asked for, and rounded so that asking for that much gets it."""
    return float((reported_mb / MB_IN_A_SOLD_GB).quantize(DIGITS_SHOWN, ROUND_FLOOR))


def rounded_gigabytes(megabytes: int) -> float:
    """An amount that was measured or added up."""
    return round(megabytes / 1024, 3)


def _shortest(exact: Decimal, rounding: str, is_same: Callable[[float], bool]) -> float:
    roundings = (float(exact.quantize(Decimal(1).scaleb(-digits), rounding)) for digits in range(MOST_DIGITS))
    return next((number for number in roundings if is_same(number)), float(exact))
