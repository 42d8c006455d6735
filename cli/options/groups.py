"""Options that belong together as one dataclass: a command takes the whole, typer sees one option per field."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator
from functools import wraps
from inspect import Parameter, Signature, signature
from typing import Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """A parameter of `command` whose type is a dataclass stands for one option per field."""
    parameters = list(signature(command).parameters.values())

    @wraps(command)
    def run(**options: Any) -> None:
        command(**with_groups(parameters, options))

    run.__signature__ = Signature(spread(parameters))  # type: ignore[attr-defined]  # typer reads it
    return run


def spread(parameters: Iterable[Parameter]) -> list[Parameter]:
    """What typer has to know: the fields in place of each group."""
    return [option for one in parameters for option in _options_of(one)]


def with_groups(parameters: Iterable[Parameter], options: dict[str, Any]) -> dict[str, Any]:
    """What the command wants: the groups in place of their fields."""
    for one in parameters:
        if dataclasses.is_dataclass(one.annotation):
            group: Any = one.annotation
            options[one.name] = group(**{field.name: options.pop(field.name) for field in dataclasses.fields(group)})
    return options


def _options_of(parameter: Parameter) -> Iterator[Parameter]:
    if not dataclasses.is_dataclass(parameter.annotation):
        yield parameter.replace(kind=Parameter.KEYWORD_ONLY)
        return
    for field in dataclasses.fields(parameter.annotation):
        yield Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=field.type)
