"""Quantities as Kubernetes writes them: `500m`, `4Gi`, `2e3`."""

from decimal import Decimal, InvalidOperation

SUFFIXES = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal(10**3), "M": Decimal(10**6),
    "G": Decimal(10**9), "T": Decimal(10**12), "P": Decimal(10**15), "E": Decimal(10**18),
    "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30), "Ti": Decimal(2**40), "Pi": Decimal(2**50), "Ei": Decimal(2**60),
}  # fmt: skip
MB = 2**20


def number(quantity: object) -> Decimal:
    """The plain number. Raises ValueError for what is none."""
    text = str(quantity).strip()
    digits = text.rstrip("".join(set("".join(SUFFIXES))))
    suffix = text[len(digits) :]
    try:  # "2E" are two exa, "2E3" are two thousand: what reads as a number is one
        return Decimal(text) if suffix == "" else Decimal(digits) * SUFFIXES[suffix]
    except (InvalidOperation, KeyError):
        raise ValueError(f"{text!r} is no quantity") from None


def megabytes(quantity: object) -> int:
    """Whole MiB, rounded down."""
    return int(number(quantity) / MB)
