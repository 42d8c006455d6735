"""Numbers as traces write them."""

import math


def number(text: str) -> float:
    """An int where there is no fraction, so that sums stay exact. Raises ValueError for what is no finite number."""
    if "_" in text:  # Python would read 1_000, and nobody else
        raise ValueError(text)
    try:
        return int(text)
    except ValueError:
        value = float(text)
        if not math.isfinite(value):
            raise
        return int(value) if value.is_integer() else value
