"""What may be refused, and why. These errors know nothing of HTTP; the doors translate them."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing wrong with one field, and what would be right."""

    field: str
    message: str
    code: str = "invalid"


class TrainyardError(Exception):
    """The root of every refusal that a user may see."""


class InvalidError(TrainyardError):
    """What was asked for can never be done as it was written."""

    def __init__(self, errors: Sequence[FieldError]) -> None:
        super().__init__("; ".join(f"{error.field}: {error.message}" for error in errors))
        self.errors = tuple(errors)


class NotFoundError(TrainyardError):
    """There is no such thing, or not for this caller."""


class ForbiddenError(TrainyardError):
    """The caller can see the thing, but may not do this to it."""


class ConflictError(TrainyardError):
    """The thing is in a state in which this cannot be done."""

    def __init__(self, message: str, *, state: str = "") -> None:
        super().__init__(message)
        self.state = state


class UnavailableError(TrainyardError):
    """Something that is needed for it does not answer at the moment."""
