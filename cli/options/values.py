"""What stands behind an option, understood, or an error that names the option."""

from collections.abc import Callable
from typing import TypeVar

from cli.errors import UsageError

Value = TypeVar("Value")


def understand(parse: Callable[[str], Value], option: str, text: str) -> Value:
    """What `text` means; raises `UsageError` that names the option when it means nothing."""
    try:
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{option}: {error}") from error
