"""Why a command ended early: what to tell the user, and the exit code that says so to a script."""

from collections.abc import Sequence
from typing import Any


class CommandError(Exception):
    """The command ends here. Each of `lines` is printed after `error: `; a program also gets what is in `more`."""

    exit_code = 1
    kind = "failed"

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines

    @property
    def more(self) -> dict[str, Any]:
        return {}


class RefusedError(CommandError):
    """The server understood, and said no: to these (field, message) pairs, or to the whole."""

    kind = "refused"

    def __init__(self, *lines: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(*lines, *(f"{field}: {message}" if field else message for field, message in fields))
        self.fields = tuple(fields)

    @property
    def more(self) -> dict[str, Any]:
        return {"fields": [{"field": field, "message": message} for field, message in self.fields]}


class UnsuccessfulError(CommandError):
    """A job that was waited for did not complete: how it ended, and the last lines that it wrote."""

    kind = "unsuccessful"

    def __init__(self, *lines: str, jobs: Sequence[dict[str, Any]] = ()) -> None:
        super().__init__(*lines)
        self.jobs = tuple(jobs)

    @property
    def more(self) -> dict[str, Any]:
        return {"jobs": list(self.jobs)}


class UsageError(CommandError):
    """What was typed, or a file that it names, cannot be understood."""

    exit_code = 2
    kind = "usage"


class OutOfReachError(CommandError):
    """The server did not answer, or answered that it cannot."""

    exit_code = 3
    kind = "out_of_reach"
