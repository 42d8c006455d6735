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
    def more(self) -> dict[str, Any]:
        return {"fields": [{"field": field, "message": message} for field, message in self.fields]}


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
