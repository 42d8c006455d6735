"""The operator's own commands by which a pool's nodes come and go, as they stand in `NodePool.actuator_settings`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from scheduling.errors import FieldError, InvalidError

FIELD = "actuator_settings"
COMMANDS = ("up", "down", "list")
PLACEHOLDERS = ("node", "pool", "cpus", "memory_mb", "gpus", "gpu_model")
PLACEHOLDER = re.compile(r"\{(\w*)\}")
PROGRAM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")
TIMEOUT_SECONDS = 60.0
LONGEST_TIMEOUT = 3_600.0
MOST_WORDS = 100
LONGEST_WORD = 1_000


@dataclass(frozen=True, slots=True)
class PoolCommands:
    """Lists of words, no shell. `up` makes a node unless it is there, `down` takes it away if it is, `list` prints those there are."""

    up: tuple[str, ...]
    down: tuple[str, ...]
    list: tuple[str, ...]
    timeout_seconds: float = TIMEOUT_SECONDS


def read_commands(settings: Mapping[str, Any]) -> PoolCommands:
    """Raises InvalidError that says what is wrong, and what would be right."""
    if faults := [FieldError(FIELD, words) for words in _faults(settings)]:
        raise InvalidError(faults)
    commands = {name: tuple(settings[name]) for name in COMMANDS}
    return PoolCommands(**commands, timeout_seconds=float(settings.get("timeout_seconds", TIMEOUT_SECONDS)))


def filled_in(words: tuple[str, ...], values: Mapping[str, object]) -> list[str]:
    """The words with the values in place of `{node}` and the like; what they are replaced by is not looked at again."""
    return [PLACEHOLDER.sub(lambda found: str(values[found[1]]), word) for word in words]


def _faults(settings: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted(settings.keys() - {*COMMANDS, "timeout_seconds"}):
        yield f"There is no {name[:64]!r}: there are {', '.join(COMMANDS)} and timeout_seconds."
    for name in COMMANDS:
        yield from _faults_of_command(name, settings.get(name))
    seconds = settings.get("timeout_seconds", TIMEOUT_SECONDS)
    if not _is_number(seconds) or not 0 < seconds <= LONGEST_TIMEOUT:
        yield f"timeout_seconds must be a number from 1 to {LONGEST_TIMEOUT:g}."


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _faults_of_command(name: str, words: Any) -> Iterator[str]:
    known = PLACEHOLDERS if name != "list" else PLACEHOLDERS[1:]
    if not isinstance(words, list) or not words or not all(isinstance(word, str) for word in words):
        example = "list-nodes" if name == "list" else f"{name}-node"
        yield f'{name} must be a list of words, the program first: ["{example}", "{{{known[0]}}}"].'
        return
    if len(words) > MOST_WORDS or any(len(word) > LONGEST_WORD or "\0" in word for word in words):
        yield f"{name} may have {MOST_WORDS} words of {LONGEST_WORD} characters, none with a NUL."
    if not PROGRAM.fullmatch(words[0]):
        yield f"{name}: {words[0][:64]!r} must be the name of a program in the autoscaler's folder of commands, no path."
    for unknown in sorted({found for word in words for found in PLACEHOLDER.findall(word)} - {*known}):
        yield f"{name}: there is no {{{unknown[:64]}}}: there are {', '.join(f'{{{one}}}' for one in known)}."
    if name != "list" and not any("{node}" in word for word in words[1:]):
        yield f"{name} must be told of which node: {{node}} is its name."
