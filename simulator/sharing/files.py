"""Lists in JSON, with the same fields as REST: what is wrong with a row is said by its place and its field."""

import json
from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

from simulator.trace import SimulationError

Value = TypeVar("Value")


def read_list(path: Path) -> list["Fields"]:
    """The rows of a list, or of an answer of REST that holds one in `results`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except (OSError, UnicodeDecodeError) as error:
        raise SimulationError(f"{path} cannot be read: {error}.") from error
    except (ValueError, RecursionError) as error:
        raise SimulationError(f"{path} is no JSON: {error}.") from error
    rows = found.get("results") if isinstance(found, dict) else found
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SimulationError(f"{path} holds no list of objects: write [{{...}}, {{...}}].")
    return [Fields(f"{path}, row {place}", row) for place, row in enumerate(rows, start=1)]


class Fields:
    """The fields of one object, each read once and with the words of what would be right."""

    def __init__(self, where: str, row: Mapping[str, Any]) -> None:
        self.where, self._row = where, row

    def only(self, known: Collection[str]) -> None:
        """Raises SimulationError for a field that means nothing: it may be one that is spelt wrong."""
        for name in self._row:
            if name not in known:
                raise self.wrong(name, f"means nothing here. Known are: {', '.join(known)}.")

    def read(self, name: str, reads: Callable[[Any], Value], right: str, default: Value) -> Value:
        """The value; where it is missing or null, the default. `reads` raises ValueError or TypeError for what is not `right`."""
        value = self._row.get(name)
        if value is None:
            return default
        try:
            return reads(value)
        except (ValueError, TypeError, ArithmeticError):
            raise self.wrong(name, f"is {json.dumps(value, default=str)}: write {right}.") from None

    def text(self, name: str) -> str:
        """Empty where it is missing."""
        return self.read(name, _text, "a text", "")

    def whole(self, name: str) -> int | None:
        """None where it is missing."""
        return self.read(name, _whole, "a whole number, 0 or more", None)

    def within(self, name: str) -> "Fields":
        """The fields of an object in this one; none where it is missing."""
        return Fields(f"{self.where}, {name}", self.read(name, _object, "an object", {}))

    def wrong(self, name: str, message: str) -> SimulationError:
        return SimulationError(f"{self.where}: {name} {message}")


def amount(value: Any) -> Decimal:
    """A number of 0 or more, exact; money as REST writes it is a text."""
    if isinstance(value, bool) or not isinstance(value, int | str | Decimal):
        raise TypeError
    found = Decimal(value)
    if not found.is_finite() or found < 0:
        raise ValueError
    return found


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    found = amount(value)
    if isinstance(value, str) or found != int(found):
        raise ValueError
    return int(found)


def _object(value: Any) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise TypeError
    return value
