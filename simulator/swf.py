"""The Standard Workload Format of the Parallel Workloads Archive (Feitelson): 18 numbers a line, -1 is unknown.

Logs are read as they come: what a dialect adds behind the 18 fields is passed over.
https://www.cs.huji.ac.il/labs/parallel/workload/swf.html
"""

import re
from collections.abc import Iterable
from enum import StrEnum
from pathlib import Path

from simulator.numerals import number
from simulator.trace import MachineSize, Trace, TraceError, TraceJob, check_text

COMMENT = ";"
UNKNOWN = -1
MACHINE = ("MaxProcs", "MaxNodes")
"""The fields of the header that say how large the machine was, the one that counts first."""
STATED = re.compile(rf"[;\s]*({'|'.join(MACHINE)})\s*:\s*([0-9][0-9,]{{0,11}})", re.IGNORECASE)
CANCELLED = "5"
PARTS = ("2", "3", "4")
"""The status of lines that repeat a job in parts, from one time that it was swapped out to the next."""
FIELDS = (
    "job number", "submit time", "wait time", "run time", "allocated processors", "average CPU time", "used memory",
    "requested processors", "requested time", "requested memory", "status", "user", "group", "executable", "queue",
    "partition", "preceding job", "think time",
)  # fmt: skip
AT = {name: at for at, name in enumerate(FIELDS)}


class Width(StrEnum):
    """Which of the two numbers of processors a job takes; where the trace does not know it, the other."""

    REQUESTED = "requested"
    ALLOCATED = "allocated"


def read(path: Path, lines: Iterable[str], width: Width = Width.REQUESTED) -> Trace:
    """The jobs of these lines in their order; what starts with `;` is a comment."""
    jobs: list[TraceJob] = []
    header: list[str] = []
    parts = 0
    for line, text in enumerate(lines, start=1):
        words = text.split(maxsplit=len(FIELDS))
        if not words:
            continue
        if words[0].startswith(COMMENT):
            header += [] if jobs else [text]
        elif (values := _values(path, line, words)).name("status") in PARTS:
            parts += 1
        else:
            jobs.append(_job(values, width))
    return Trace(tuple(jobs), _machine(header), parts)


def _machine(header: Iterable[str]) -> MachineSize | None:
    stated = [found.groups() for text in header if (found := STATED.match(text))]
    sizes = {name.casefold(): int(size.replace(",", "")) for name, size in reversed(stated)}
    known = (MachineSize(sizes.get(name.casefold(), 0), name) for name in MACHINE)
    return next((machine for machine in known if machine.processors), None)


def _values(path: Path, line: int, words: list[str]) -> "_Values":
    if len(words) < len(FIELDS):
        raise TraceError(
            path, line, f"has {len(words)} fields: a line of the Standard Workload Format has {len(FIELDS)}."
        )
    check_text(path, line, words[: len(FIELDS)])
    return _Values(path, line, words)


def _job(values: "_Values", width: Width) -> TraceJob:
    submit, run = values.known("submit time"), values.known("run time")
    if submit is None:
        raise values.error("the submit time is unknown (-1): write seconds from the start of the trace.")
    requested, allocated = values.known("requested processors"), values.known("allocated processors")
    first, second = (allocated, requested) if width is Width.ALLOCATED else (requested, allocated)
    return TraceJob(
        id=values.name("job number"),
        line=values.line,
        submit_s=submit,
        run_s=run,
        never_started=not allocated and (run is None or (run == 0 and values.name("status") == CANCELLED)),
        walltime_s=values.known("requested time"),
        cpus=int(first or second or 0),
        user=values.name("user"),
        group=values.name("group"),
    )


class _Values:
    """The fields of one line."""

    def __init__(self, path: Path, line: int, words: list[str]) -> None:
        self.line = line
        self._path, self._words = path, words

    def known(self, field: str) -> float | None:
        """The field's value; None if the trace does not know it."""
        text = self._words[AT[field]]
        try:
            value = number(text)
        except ValueError:
            raise self.error(f"the {field} is {text!r}: write a number, or -1.") from None
        if value < 0 and value != UNKNOWN:
            raise self.error(f"the {field} is {text}: write 0 or more, or -1 for unknown.")
        return None if value == UNKNOWN else value

    def name(self, field: str) -> str:
        text = self._words[AT[field]]
        return "" if text == str(UNKNOWN) else text

    def error(self, message: str) -> TraceError:
        return TraceError(self._path, self.line, message)
