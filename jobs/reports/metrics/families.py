"""Families of samples, as rows of a statement give them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.utils import floatToGoString

ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Table(NamedTuple):
    """A family as rows, with or without labels. Nearly all are such: the client's objects take most of a scrape's time."""

    kind: str
    name: str
    documentation: str
    labels: tuple[str, ...]
    rows: list[tuple[Any, ...]]

    def as_text(self) -> str:
        """In Prometheus' text format, to the letter what its own client writes."""
        lines = [f"# HELP {self.name} {self.documentation}\n# TYPE {self.name} {self.kind}\n"]
        order = sorted(range(len(self.labels)), key=self.labels.__getitem__)
        pairs = ",".join(f'{self.labels[n]}="%s"' for n in order)
        form = f"{self.name}{{{pairs}}} %s\n" if order else f"{self.name} %s\n"
        for row in self.rows:
            values = [_escaped(row[n] if type(row[n]) is str else str(row[n])) for n in order]
            lines.append(form % (*values, floatToGoString(float(row[-1]))))  # type: ignore[no-untyped-call]
        return "".join(lines)


Family = Metric | Table


@lru_cache(maxsize=10_000)
def _escaped(value: str) -> str:
    """Values of labels are the same from scrape to scrape, and in many samples of each."""
    return value.translate(ESCAPES)


def labelled(kind: type[Metric], name: str, text: str, labels: tuple[str, ...], rows: Iterable[Any]) -> Table:
    """One family with labels; a row is the labels' values and then the number."""
    counter = issubclass(kind, CounterMetricFamily)
    full = f"trainyard_{name}_total" if counter else f"trainyard_{name}"
    return Table("counter" if counter else "gauge", full, text, labels, [tuple(row) for row in rows])


def gauge(name: str, text: str, value: float) -> Table:
    return labelled(GaugeMetricFamily, name, text, (), [(value,)])


def counter(name: str, text: str, value: float) -> Table:
    return labelled(CounterMetricFamily, name, text, (), [(value,)])


class Prepared:
    """A question that each scrape asks anew: into SQL it is put once, as that takes longer than most answers.

    Rows come as the driver reads them: JSON as text.
    """

    def __init__(self, question: Callable[[], QuerySet[Any, Any]]) -> None:
        self._question = question
        self._known: dict[tuple[object, ...], tuple[str, Any]] = {}

    def rows(self) -> list[tuple[Any, ...]]:
        """By the settings of now, of which questions about nodes and prices are made."""
        key = (settings.LEASE_SECONDS, settings.HIDE_NODES_SECONDS, settings.CURRENCY)
        if key not in self._known:
            self._known[key] = self._question().query.sql_with_params()
        return query(*self._known[key])


def query(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
