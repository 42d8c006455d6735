"""What stands behind an option, understood, or an error that names the option."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import TypeVar

from cli.begin import parse_begin
from cli.durations import parse_moment
from cli.errors import UsageError

Value = TypeVar("Value")


def understand(parse: Callable[[str], Value], option: str, text: str) -> Value:
    """What `text` means; raises `UsageError` that names the option when it means nothing."""
    try:
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: {error}") from error


def parse_labels(option: str, settings: Iterable[str]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for setting in settings:
        name, given, value = setting.partition("=")
        if not given or not name:
            raise UsageError(f"{option} {setting}: write NAME=VALUE.")
        labels[name] = value
    return labels


def begin_moment(option: str, text: str | None) -> str | None:
    """When a job is to begin, as the server reads it; raises `UsageError` that names the option."""
    if text is None:
        return None
    return understand(lambda written: parse_begin(written, datetime.now(UTC)), option, text).isoformat()


def moment(option: str, text: str | None) -> str | None:
    """The moment that was typed, as the server reads it; raises `UsageError` that names the option."""
    if text is None:
        return None
    return understand(lambda written: parse_moment(written, datetime.now(UTC)), option, text).isoformat()
