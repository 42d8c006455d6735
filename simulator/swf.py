"""The Standard Workload Format of the Parallel Workloads Archive (Feitelson): 18 numbers a line, -1 is unknown.

https://www.cs.huji.ac.il/labs/parallel/workload/swf.html
"""

from collections.abc import Iterable, Iterator
from pathlib import Path

from simulator.numerals import number
from simulator.trace import TraceError, TraceJob

COMMENT = ";"
UNKNOWN = -1
FIELDS = (
    "job number", "submit time", "wait time", "run time", "allocated processors", "average CPU time", "used memory",
    "requested processors", "requested time", "requested memory", "status", "user", "group", "executable", "queue",
    "partition", "preceding job", "think time",
)  # fmt: skip
AT = {name: at for at, name in enumerate(FIELDS)}


def read(path: Path, lines: Iterable[str]) -> Iterator[TraceJob]:
    """The jobs of these lines; what starts with `;` is a comment."""
    for line, text in enumerate(lines, start=1):
        words = text.split()
        if words and not words[0].startswith(COMMENT):
            yield _job(path, line, words)


def _job(path: Path, line: int, words: list[str]) -> TraceJob:
    if len(words) != len(FIELDS):
        raise TraceError(
            path, line, f"has {len(words)} fields: a line of the Standard Workload Format has {len(FIELDS)}."
        )
    values = _Values(path, line, words)
    submit = values.known("submit time")
    if submit is None:
        raise TraceError(path, line, "the submit time is unknown (-1): write seconds from the start of the trace.")
    return TraceJob(
        id=words[0],
        line=line,
        submit_s=submit,
        run_s=values.known("run time"),
        walltime_s=values.known("requested time"),
        cpus=int(values.known("allocated processors") or values.known("requested processors") or 0),
        user=values.name("user"),
        group=values.name("group"),
    )


class _Values:
    """The numbers of one line."""

    def __init__(self, path: Path, line: int, words: list[str]) -> None:
        self._path, self._line, self._words = path, line, words

    def known(self, field: str) -> float | None:
        """The field's value; None if the trace does not know it."""
        text = self._words[AT[field]]
        try:
            value = number(text)
        except ValueError:
            raise TraceError(self._path, self._line, f"the {field} is {text!r}: write a number, or -1.") from None
        if value < 0 and value != UNKNOWN:
            raise TraceError(self._path, self._line, f"the {field} is {text}: write 0 or more, or -1 for unknown.")
        return None if value == UNKNOWN else value

    def name(self, field: str) -> str:
        text = self._words[AT[field]]
        return "" if text == str(UNKNOWN) else text
