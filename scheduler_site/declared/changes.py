"""One thing that the file declares beside the one that there is: what is to be done about it, and doing it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any

from django.contrib.auth.models import User
from django.db import DataError, IntegrityError, OperationalError, transaction
from psycopg import errors

from scheduler_site.declared.document import Entry, Refused
from scheduling import gpu_hours, memory_units
from scheduling.errors import InvalidError, TrainyardError

ACTOR = User(username="manage.py apply", is_staff=True)
"""In whose name all of it is done: of nobody who could sign in. Whoever runs the command has the database."""
MEANWHILE = (errors.UniqueViolation, errors.ExclusionViolation, errors.ForeignKeyViolation, errors.DeadlockDetected)
RETRY = "Somebody else changed the same meanwhile: nothing was done. Apply it again."


IN_UNITS: Mapping[str, tuple[str, Callable[[int], float]]] = {
    "gpu_memory_mb": ("gpu_memory_gb", memory_units.gpu_gigabytes),
    "memory_mb": ("memory_gb", memory_units.gigabytes),
    "gpu_seconds_ahead": ("gpu_hours_ahead", gpu_hours.hours),
}
"""How columns end that a file has in other units."""


class Verb(StrEnum):
    CREATE = "create"
    CHANGE = "change"
    SAME = "as declared"
    ARCHIVE = "archive"
    DRAIN = "drain"
    END = "end"
    DELETE = "delete"


@dataclass(frozen=True)
class Change:
    """`fields`: from what, to what, as they are shown. Of what the file does not declare there is no entry."""

    verb: Verb
    title: str
    entry: Entry | None = None
    fields: Mapping[str, tuple[Any, Any]] = field(default_factory=dict)
    do: Callable[[], object] = lambda: None

    def __str__(self) -> str:
        before = (
            {} if self.verb == Verb.CREATE else {name: f"{_shown(was)} -> " for name, (was, _) in self.fields.items()}
        )
        told = [f"{name}: {before.get(name, '')}{_shown(new)}" for name, (_, new) in self.fields.items()]
        return f"{self.verb} {self.title}{' (' + ', '.join(told) + ')' if told else ''}"

    def carry_out(self) -> None:
        """Raises Refused with the place of what the use case refuses."""
        try:
            with transaction.atomic():
                self.do()
        except InvalidError as refused:
            raise Refused([self._told(one.message, one.field) for one in refused.errors]) from None
        except TrainyardError as refused:
            raise Refused([self._told(str(refused), "")]) from None
        except (ValueError, DataError):  # NUL, half characters: where a shape lets them through, the database does not
            raise Refused([self._told("Holds characters that cannot be stored.", "")]) from None
        except (IntegrityError, OperationalError) as error:
            if not isinstance(error.__cause__, MEANWHILE):
                raise
            raise Refused([self._told(RETRY, "")]) from None

    def _told(self, words: str, name: str) -> str:
        if self.entry is None:
            return f"{self.title}: {words}"
        return self.entry.refusal(words, tuple(name.split(".")) if name else ())


def compared(
    entry: Entry,
    before: Mapping[str, Any] | None,
    wanted: Mapping[str, Any],
    *,
    create: Callable[[], object],
    change: Callable[[dict[str, Any]], object],
    title: str = "",
) -> Change:
    """What is to be done so that the row, if there is one, has what is wanted. What is not wanted otherwise stays."""
    name = title or entry.title
    if before is None:
        return Change(Verb.CREATE, name, entry, {one: (None, value) for one, value in wanted.items()}, create)
    other = {one: value for one, value in wanted.items() if before[one] != value}
    if not other:
        return Change(Verb.SAME, name, entry)
    pairs = {one: (before[one], value) for one, value in other.items()}
    return Change(Verb.CHANGE, name, entry, pairs, lambda: change(other))


def in_the_file(column: str, value: Any) -> tuple[str, Any]:
    """A column of a row and its value as the file has them: memory in gigabytes, GPU time in hours."""
    for ending, (told, shown) in IN_UNITS.items():
        if column.endswith(ending):
            return column.removesuffix(ending) + told, None if value is None else shown(value)
    return column, value


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Decimal() | float():
            return f"{value.normalize():f}" if isinstance(value, Decimal) else f"{value:g}"
        case list():
            return f"[{', '.join(_shown(one) for one in value)}]"
        case dict():
            return f"{{{', '.join(f'{name}: {_shown(one)}' for name, one in value.items())}}}"
        case datetime():
            return value.isoformat()
    return "none" if value is None else str(value) or "''"
