"""Priorities: a number from 0 to 100 or a word, and the class that each number belongs to."""

from scheduling.errors import FieldError, InvalidError

LOWEST, HIGHEST = 0, 100
WORDS = {
    "urgent": 90, "p0": 90, "high": 90,
    "normal": 50, "p1": 50, "medium": 50,
    "background": 10, "p2": 10, "low": 10,
}  # fmt: skip
CLASSES = ("urgent", "normal", "background")
"""Most urgent first."""
URGENT_FROM, NORMAL_FROM = 70, 30


def class_of(priority: int) -> str:
    """The class of a number: 70 and above urgent, 30 and above normal, else background."""
    if priority >= URGENT_FROM:
        return "urgent"
    return "normal" if priority >= NORMAL_FROM else "background"


def number_of(value: object) -> int:
    """A word or a number as a number; raises InvalidError on `priority` when it is neither."""
    if isinstance(value, str) and value.strip().lower() in WORDS:
        return WORDS[value.strip().lower()]
    if isinstance(value, int) and not isinstance(value, bool) and LOWEST <= value <= HIGHEST:
        return value
    words = ", ".join(WORDS)
    raise InvalidError([FieldError("priority", f"Must be a whole number from 0 to 100, or one of {words}.")])
