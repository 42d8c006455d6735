"""Why a command ended early: what to tell the user, and the exit code that says so to a script."""

from collections.abc import Sequence


class CommandError(Exception):
    """The command ends here. Each of `lines` is printed after `error: `."""

    exit_code = 1

    def __init__(self, *lines: str) -> None:
        super().__init__("\n".join(lines))
        self.lines = lines


class RefusedError(CommandError):
    """The server understood, and said no: to these (field, message) pairs, or to the whole."""

    def __init__(self, *lines: str, fields: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(*lines, *(f"{field}: {message}" if field else message for field, message in fields))
        self.fields = tuple(fields)


class UsageError(CommandError):
    """What was typed, or a file that it names, cannot be understood."""

    exit_code = 2


class OutOfReachError(CommandError):
    """The server did not answer, or answered that it cannot."""

    exit_code = 3
