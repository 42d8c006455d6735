"""The results of a simulation, for people and for programs."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cli.client.requests import Row
from cli.durations import spell
from cli.views.tables import Column, in_pipe, make_console, make_table, plain
from simulator.experiment import Experiment, Result
from simulator.settings import Settings

UNKNOWN = "-"

Done = Callable[[int], None]


class Scheduled(NamedTuple):
    """One way to schedule, and what came of it."""

    settings: Settings
    result: Result

    def row(self, experiment: Experiment) -> Row:
        """All that a program may want to know."""
        rules = self.settings.rules
        return {
            "policy": rules.policy,
            "backfill": rules.backfill.value,
            "ties": self.settings.ties.value,
            "run_times": self.settings.run_times.value,
            "placement": rules.placement,
            "trace": experiment.source,
            "windows": len(experiment.windows),
            "cluster_size": experiment.cluster.size,
            "cleaning": dict(experiment.counts),
            **self.result.metrics.as_dict(),
        }


def results_table(console: Console, rows: Iterable[Row]) -> Table:
    """One line a policy; what matters most stays when the terminal is narrow."""
    known = list(rows)
    columns = [
        Column("POLICY", lambda row: plain(row["policy"])),
        Column("BACKFILL", lambda row: plain(row["backfill"]), yields=2),
        Column("JOBS", lambda row: f"{row['jobs']:,}", yields=4, right=True),
        Column("MEAN WAIT", _length("mean_wait_s"), right=True),
        Column("MEDIAN", _length("median_wait_s"), yields=3, right=True),
        Column("P95", _length("p95_wait_s"), right=True),
        Column("MAX", _length("max_wait_s"), right=True),
        Column("SLOWDOWN", lambda row: f"{row['mean_bounded_slowdown']:,.2f}", right=True),
        Column("BUSY", lambda row: f"{row['utilisation']:.1%}", yields=1, right=True),
        Column("MAKESPAN", _length("makespan_s"), yields=5, right=True),
        Column("FAIRNESS", _fairness, yields=6, right=True),
    ]
    if any(row["late"] is not None for row in known):
        columns.append(Column("LATE", lambda row: f"{row['late']:.1%}", yields=2, right=True))
    if any(row["preemptions"] for row in known):
        columns += [
            Column("STOPPED", lambda row: f"{row['preemptions']:,}", yields=2, right=True),
            Column("LOST HOURS", lambda row: f"{row['lost_hours']:,.0f}", yields=2, right=True),
        ]
    return make_table(console, columns, known)


def _fairness(row: Row) -> str:
    return UNKNOWN if row["fairness"] is None else f"{row['fairness']:.3f}"


def _length(name: str) -> Callable[[Row], str | Text]:
    return lambda row: spell(row[name])


@contextmanager
def shown_progress(total: int) -> Iterator[Callable[[str], Done]]:
    """A bar on the terminal for each policy, of so many jobs or replays; in a pipe nothing."""
    console = make_console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=in_pipe(console)) as progress:

        def begin(name: str) -> Done:
            task = progress.add_task(name, total=total)
            return lambda done: progress.update(task, completed=done)

        yield begin
