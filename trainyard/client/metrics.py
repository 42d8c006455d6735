"""What a job reported over time."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from trainyard.client import tables
from trainyard.http.requests import Row


@dataclass(frozen=True, slots=True)
class Series:
    """One metric: lists of one length, in the order in which the values were reported; None stands for what was no number."""

    name: str
    values: list[float | None]
    steps: list[float | None]
    times: list[float]
    """Seconds since 1970, UTC."""
    last: float | None
    minimum: float | None
    maximum: float | None
    count: int
    """Values that were reported; fewer may be here."""


class Metrics(Mapping[str, Series]):
    """Series by their names. `refused` lines and values of the reports could not be used."""

    def __init__(self, answer: Row) -> None:
        fields = Series.__slots__
        self._series = {one["name"]: Series(**{name: one[name] for name in fields}) for one in answer["series"]}
        self.refused: int = answer["refused"]

    def __getitem__(self, name: str) -> Series:
        return self._series[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._series)

    def __len__(self) -> int:
        return len(self._series)

    def __repr__(self) -> str:
        return f"<Metrics {', '.join(f'{one.name}={one.last}' for one in self._series.values())}>"

    def _repr_html_(self) -> str:
        rows = ((one.name, one.last, one.minimum, one.maximum, one.count) for one in self._series.values())
        return tables.table(("METRIC", "LAST", "LEAST", "GREATEST", "VALUES"), rows)
