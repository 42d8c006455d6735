"""Families of samples, as rows of a statement give them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from django.conf import settings
from django.db import connection
from django.db.models import QuerySet
from prometheus_client.utils import floatToGoString

Buckets = Sequence[tuple[str, float]]
WRITTEN_ALIKE = 1_000_000
ESCAPES = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class Samples(NamedTuple):
    """Those of a family that have the same labels and the same end of their name; a row is the labels' values and then the number."""

    suffix: str
    labels: tuple[str, ...]
    rows: Sequence[Sequence[Any]]

    def as_text(self, name: str) -> str:
        """Written column by column, which costs a third of what it costs row by row."""
        order = sorted(range(len(self.labels)), key=self.labels.__getitem__)
        pairs = ",".join(f'{self.labels[n]}="%s"' for n in order)
        form = f"{name}{self.suffix}{{{pairs}}} %s\n" if order else f"{name}{self.suffix} %s\n"
        labels = [[_escaped(row[n]) for row in self.rows] for n in order]
        return "".join(map(form.__mod__, zip(*labels, [_written(row[-1]) for row in self.rows], strict=True)))


class Family(NamedTuple):
    """Rows instead of the client's objects, which would take most of a scrape's time."""

    kind: str
    name: str
    documentation: str
    samples: Sequence[Samples]

    def as_text(self) -> str:
        """In Prometheus' text format, to the letter what its own client writes."""
        head = f"# HELP {self.name} {self.documentation}\n# TYPE {self.name} {self.kind}\n"
        return head + "".join(some.as_text(self.name) for some in self.samples)


def as_text(families: Iterable[Family]) -> bytes:
    """All of them, as they are scraped."""
    return "".join(family.as_text() for family in families).encode()


@lru_cache(maxsize=10_000, typed=True)
def _escaped(value: object) -> str:
    """Values of labels are the same from scrape to scrape, and in many samples of each; 1 and true are not the same."""
    return str(value).translate(ESCAPES)


def _written(value: Any) -> str:
    """As Go writes it; below a million Python does the same."""
    number = float(value)
    return repr(number) if -WRITTEN_ALIKE < number < WRITTEN_ALIKE else floatToGoString(number)  # type: ignore[no-untyped-call]


def gauges(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> Family:
    """One family with labels; a row is the labels' values and then the number."""
    return Family("gauge", f"trainyard_{name}", text, [Samples("", labels, list(rows))])


def counters(name: str, text: str, labels: tuple[str, ...], rows: Iterable[Sequence[Any]]) -> Family:
    return Family("counter", f"trainyard_{name}_total", text, [Samples("", labels, list(rows))])


def gauge(name: str, text: str, value: float) -> Family:
    return gauges(name, text, (), [(value,)])


def counter(name: str, text: str, value: float) -> Family:
    return counters(name, text, (), [(value,)])


def histogram(name: str, text: str, labels: tuple[str, ...], rows: Iterable[tuple[Any, Buckets, float]]) -> Family:
    """A row is the labels' values, each upper bound with how many are not above it, and the sum of all."""
    samples = []
    for values, buckets, total in rows:
        samples += [
            Samples("_bucket", (*labels, "le"), [(*values, *bucket) for bucket in buckets]),
            Samples("_count", labels, [(*values, buckets[-1][1])]),
            Samples("_sum", labels, [(*values, total)]),
        ]
    return Family("histogram", f"trainyard_{name}", text, samples)


def summary(name: str, text: str, count: float, total: float) -> Family:
    samples = [Samples("_count", (), [(count,)]), Samples("_sum", (), [(total,)])]
    return Family("summary", f"trainyard_{name}", text, samples)


class Prepared:
    """A question that each scrape asks anew: into SQL it is put once, as that takes longer than most answers.

    Rows come as the driver reads them: JSON as text. `statement` is what is asked of the rows of the questions, which are in
    it as `{0}`, `{1}` in this order; without it the rows of the first are the answer.
    """

    def __init__(self, *questions: Callable[[], QuerySet[Any, Any]], statement: str = "{0}") -> None:
        self._questions = questions
        self._statement = statement
        self._known: dict[tuple[object, ...], tuple[str, Any]] = {}

    def rows(self) -> list[tuple[Any, ...]]:
        """By the settings of now, of which questions about nodes and prices are made."""
        key = (settings.LEASE_SECONDS, settings.HIDE_NODES_SECONDS, settings.CURRENCY)
        if key not in self._known:
            statement, values = self._statement, list[Any]()
            for number, question in enumerate(self._questions):
                rows, given = question().query.sql_with_params()
                statement, values = statement.replace(f"{{{number}}}", rows), [*values, *given]
            self._known[key] = statement, values
        return query(*self._known[key])


def query(statement: str, values: Mapping[str, Any] | Sequence[Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return list(cursor.fetchall())
