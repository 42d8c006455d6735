"""The results of a simulation, for people and for programs."""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from cli.client.requests import Row
from cli.durations import spell
from cli.views.money import spell_money
from cli.views.tables import Column, in_pipe, make_console, make_table, plain
from simulator.experiment import Experiment, Result
from simulator.metrics import later_than
from simulator.settings import Settings

UNKNOWN = "-"

Done = Callable[[int], None]


class Scheduled(NamedTuple):
    """One way to schedule, and what came of it."""

    settings: Settings
    result: Result

    def row(self, experiment: Experiment, first: "Scheduled") -> Row:
        """All that a program may want to know; `first` is what the others are compared with."""
        rules, later = self.settings.rules, later_than(first.result.outcome.ends, self.result.outcome.ends)
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
            "currency": experiment.sharing.prices.currency if experiment.sharing.prices else None,
            "quota_unit": experiment.cluster.unit if experiment.sharing.projects else None,
            **self.result.metrics.as_dict(),
            "later_than_first": None if self is first else later.jobs,
            "latest_by_s": None if self is first else later.at_most_s,
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
            Column("STOPS A JOB", lambda row: f"{row['preemptions'] / row['jobs']:.2f}", yields=2, right=True),
            Column("WORK LOST", lambda row: f"{row['lost_part']:.1%}", yields=2, right=True),
        ]
    columns += [*_money(known[0]), *_quotas(known[0])]
    if len(known) > 1:
        columns += [
            Column("ENDED LATER", lambda row: _or_dash(row["later_than_first"], "{:,}".format), yields=3, right=True),
            Column("BY UP TO", lambda row: _or_dash(row["latest_by_s"], spell), yields=3, right=True),
        ]
    return make_table(console, columns, known)


def _money(row: Row) -> list[Column]:
    """What was paid, and what of it for work that was lost; nothing without prices."""
    if row["cost"] is None:
        return []
    return [
        Column(f"COST {row['currency']}", lambda row: spell_money(row["cost"]), right=True),
        Column("FOR LOST WORK", lambda row: spell_money(row["lost_cost"]), yields=1, right=True),
    ]


def _quotas(row: Row) -> list[Column]:
    """Hours that were borrowed and lent, evenness, and waits for nominal quota; nothing without projects."""
    if row["quota_unit"] is None:
        return []
    unit = row["quota_unit"].removesuffix("s").upper()
    return [
        Column(f"{unit}-H BORROWED", lambda row: f"{row['borrowed_hours']:,.1f}", yields=1, right=True),
        Column("LENT", lambda row: f"{row['lent_hours']:,.1f}", yields=2, right=True),
        Column("JAIN PROJECTS", _index("project_fairness"), yields=1, right=True),
        Column("JAIN USERS", _index("user_fairness"), yields=2, right=True),
        Column("QUOTA WAIT", _wait("mean_quota_wait_s"), yields=2, right=True),
        Column("LONGEST", _wait("max_quota_wait_s"), yields=2, right=True),
    ]


def _wait(name: str) -> Callable[[Row], str | Text]:
    return lambda row: _or_dash(row[name], spell)


def _index(name: str) -> Callable[[Row], str | Text]:
    return lambda row: _or_dash(row[name], "{:.3f}".format)


def print_csv(rows: Iterable[Row]) -> None:
    """A table for spreadsheets of all that `--json` prints but objects."""
    shown = [{name: value for name, value in row.items() if not isinstance(value, dict)} for row in rows]
    names = [name for name in shown[0] if name != "jitter"]
    table = csv.DictWriter(sys.stdout, names, extrasaction="ignore", lineterminator="\n")
    table.writeheader()
    table.writerows(shown)


def _or_dash(value: Any, shown: Callable[[Any], str | Text]) -> str | Text:
    return UNKNOWN if value is None else shown(value)


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
