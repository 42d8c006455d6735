"""What goes wrong between a user and the platform, in sentences; and the exit code of a command that ends with it."""

from collections.abc import Sequence
from typing import Any


class TrainyardError(Exception):
    """What was asked for cannot be had. Each of `lines` is a sentence, which a command prints after `error: `; a program also gets what is in `more`."""

    exit_code = 1
    kind = "failed"

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines

    @property
    def more(self) -> dict[str, Any]:
        return {}


class RefusedError(TrainyardError):
    """The server understood, and said no: to these (field, message) pairs, or to the whole."""

    kind = "refused"

    def __init__(self, *lines: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(*lines, *(f"{field}: {message}" if field else message for field, message in fields))
        self.fields = tuple(fields)

    @property
    def field(self) -> str:
        """The first field that is to blame, as the server calls it; empty where none is."""
        return next((field for field, _ in self.fields if field), "")

    @property
    def more(self) -> dict[str, Any]:
        return {"fields": [{"field": field, "message": message} for field, message in self.fields]}


class UnauthorizedError(RefusedError):
    """The server does not know the token, or any more."""


class ForbiddenError(RefusedError):
    """The server knows who we are, and that we may not."""


class NotFoundError(RefusedError):
    """It is not there, or not ours to see."""


class ConflictError(RefusedError):
    """It cannot be done to what is there as it is now."""


class UnsuccessfulError(TrainyardError):
    """A job that was waited for did not complete: how it ended, and the last lines that it wrote."""

    kind = "unsuccessful"

    def __init__(self, *lines: str, jobs: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(*lines)
        self.jobs = tuple(jobs)

    @property
    def more(self) -> dict[str, Any]:
        return {"jobs": list(self.jobs)}


class UsageError(TrainyardError):
    """What was typed, or a file that it names, cannot be understood."""

    exit_code = 2
    kind = "usage"


class OutOfReachError(TrainyardError):
    """The server did not answer, or answered that it cannot."""

    exit_code = 3
    kind = "out_of_reach"


class WaitTimeoutError(TrainyardError, TimeoutError):
    """What was waited for has not come in the time that was given; it goes on."""


class FunctionError(UnsuccessfulError):
    """A function raised in its job: the `type_name` of what it raised, its message, and the traceback as it was written there."""

    kind = "function"

    def __init__(
        self, *lines: str, type_name: str = "", traceback: str = "", jobs: Sequence[dict[str, Any]] = ()
    ) -> None:
        super().__init__(*lines, *([traceback.rstrip()] if traceback else []), jobs=jobs)
        self.type_name = type_name
        self.traceback = traceback


class ResultError(TrainyardError):
    """What a function returned cannot be had: it was not kept, or cannot be read here."""
