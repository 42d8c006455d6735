"""What `trainyard simulate` can be told, each with its word of help."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from cli.durations import parse_duration
from cli.errors import UsageError
from cli.options.values import moment
from simulator.cleaning import CleaningRules, MissingWalltime, Overrun, TooWide
from simulator.experiment import Experiment, Window, prepare
from simulator.settings import (
    Backfill,
    Preemption,
    Rules,
    RunTimes,
    Settings,
    Ties,
    checked,
    usual_checkpoints,
    usual_run_times,
)
from simulator.sharing.figures import Sharing
from simulator.sharing.price_table import read_prices
from simulator.sharing.projects import ProjectBy, Projects, read_projects
from simulator.swf import Width


def option(*names: str, metavar: str | None = None, text: str, **more: Any) -> Any:
    return typer.Option(*names, metavar=metavar, help=text, **more)


@dataclass(frozen=True, kw_only=True)
class ExperimentOptions:
    """Which jobs, and on what."""

    pool: Annotated[
        int | None,
        option(
            "--pool",
            metavar="P",
            text="P processors without node boundaries; a job takes its width. Default: as many as the header of a SWF "
            "trace says (MaxProcs, else MaxNodes).",
            min=1,
        ),
    ] = None
    nodes: Annotated[
        str | None,
        option("--nodes", metavar="SHAPE", text="Nodes: COUNTxCPUSxGPUS like 16x64x8,4x128x0, or a CSV file."),
    ] = None
    window: Annotated[
        list[str] | None,
        option(
            "--window",
            metavar="START:COUNT",
            text="Only these jobs, on an empty cluster (0:10000: the first 10,000). Repeated: the mean over all windows.",
        ),
    ] = None
    missing_walltime: Annotated[
        str,
        option(
            "--missing-walltime",
            metavar="RULE",
            text="Jobs without a walltime: drop, run (take the run time), a length of time; auto: as the platform takes them "
            "where the trace says that they had none (export_trace does), else drop, but run where no job has one or with "
            "--overrun extend.",
        ),
    ] = MissingWalltime.AUTO.value
    overrun: Annotated[
        Overrun, option("--overrun", text="A job that ran beyond its walltime: stop it there, or extend the walltime.")
    ] = Overrun.STOP
    width: Annotated[
        Width,
        option(
            "--width", text="Processors of a job in SWF: those requested or those allocated; if unknown, the other."
        ),
    ] = Width.REQUESTED
    too_wide: Annotated[
        TooWide,
        option("--too-wide", text="A job that the cluster could never hold: refuse the trace, or drop the job."),
    ] = TooWide.REFUSE
    projects: Annotated[
        Path | None,
        option(
            "--projects",
            metavar="FILE",
            text="The projects of the jobs, in JSON: a list of slug, parent, weight, limits, borrowing_limits, lending_limits, as REST "
            "has them. Quotas then hold, and are lent.",
        ),
    ] = None
    project_by: Annotated[
        ProjectBy, option("--project-by", text="Which column of the trace names the project of a job.")
    ] = ProjectBy.GROUP
    prices: Annotated[
        Path | None,
        option(
            "--prices",
            metavar="FILE",
            text="What things cost an hour, in JSON: a list of target, name, capacity, per_hour, currency, valid_from, valid_to, as "
            "`trainyard prices --json` prints it; times in seconds of the trace, or as moments with --trace-start.",
        ),
    ] = None
    trace_start: Annotated[
        str | None,
        option("--trace-start", metavar="TIME", text="The moment that is 0 in the trace: 2030-05-01T00:00Z."),
    ] = None

    def prepared(self, trace: str) -> Experiment:
        """Raises SimulationError for what cannot be simulated."""
        return prepare(
            trace,
            processors=self.pool,
            nodes=self.nodes,
            cleaning=CleaningRules(self._missing_walltime(), self.overrun, self.too_wide),
            windows=[Window.parse(text) for text in self.window or ()],
            width=self.width,
            sharing=self._sharing(),
        )

    def _sharing(self) -> Sharing:
        start = moment("--trace-start", self.trace_start)
        return Sharing(
            Projects(read_projects(self.projects), self.project_by) if self.projects else None,
            read_prices(self.prices, datetime.fromisoformat(start) if start else None) if self.prices else None,
        )

    def _missing_walltime(self) -> MissingWalltime | float:
        if self.missing_walltime in set(MissingWalltime):
            return MissingWalltime(self.missing_walltime)
        return _duration("--missing-walltime", self.missing_walltime)


@dataclass(frozen=True, kw_only=True)
class SchedulingOptions:
    """How to schedule."""

    policy: Annotated[
        list[str] | None, option("--policy", metavar="NAME", text="May be repeated, to compare. Default: fifo.")
    ] = None
    backfill: Annotated[Backfill, option("--backfill", text="What may start while the first job waits for room.")] = (
        Backfill.EASY
    )
    ties: Annotated[
        Ties,
        option(
            "--ties",
            text="At one instant: all ends and arrivals, then one plan; or in the order of the tool pyss, "
            "but where jobs are stopped for others.",
        ),
    ] = Ties.NATURAL
    run_times: Annotated[
        RunTimes | None,
        option(
            "--run-times",
            text="What the planner knows of run times. Default: requested; learned for the policies responsive and floor.",
        ),
    ] = None
    bounded_wait: Annotated[
        str | None,
        option("--bounded-wait", metavar="TIME", text="Who has waited so long goes first, whatever the policy (12h)."),
    ] = None
    reserve_depth: Annotated[
        int, option("--reserve-depth", metavar="N", min=0, text="So many waiting jobs get a reservation.")
    ] = 1
    placement: Annotated[str, option("--placement", metavar="NAME", text="How nodes are chosen.")] = "best_fit"
    preemption: Annotated[
        str | None,
        option("--preemption", metavar="NAMES", text="Who may be stopped for others: priority,reclaim,pressure."),
    ] = None
    checkpoint_every: Annotated[
        str | None,
        option(
            "--checkpoint-every",
            metavar="TIME",
            text="Who is stopped loses no more than this; else all its work. Default: 30m for the policy floor.",
        ),
    ] = None
    checkpointable: Annotated[
        float,
        option("--checkpointable", metavar="PART", min=0, max=1, text="The part of the jobs that save their work."),
    ] = 1.0
    restart: Annotated[
        str | None,
        option("--restart", metavar="TIME", text="What it takes to go on from saved work. Default: nothing."),
    ] = None
    grace: Annotated[
        str | None, option("--grace", metavar="TIME", text="How long a job stays that is stopped. Default: no time.")
    ] = None
    slack: Annotated[
        float,
        option(
            "--slack",
            metavar="PART",
            min=0,
            text="By this part of the longest wait so far the promises of the policy floor may be later.",
        ),
    ] = 0.0

    def settings(self) -> list[Settings]:
        """One for each policy. Raises InvalidError for a name that nobody knows."""
        return [checked(self._settings(name)) for name in self.policy or ("fifo",)]

    def _settings(self, name: str) -> Settings:
        rules = Rules(
            policy=name,
            backfill=self.backfill,
            reserve_depth=self.reserve_depth,
            bounded_wait_seconds=_maybe(_duration, "--bounded-wait", self.bounded_wait),
            placement=self.placement,
            floor_slack=self.slack,
            preemption=Preemption(
                restart_cost_seconds=_maybe(_duration, "--restart", self.restart) or 0,
                strategies=tuple(filter(None, (self.preemption or "").split(","))),
                only_checkpointable=self.checkpoint_every is not None,
            ),
            explain=False,
        )
        every = self.checkpoint_every or usual_checkpoints(name)
        return Settings(
            rules,
            self.ties,
            self.run_times or usual_run_times(name),
            _maybe(_duration, "--checkpoint-every", every),
            self.checkpointable,
            _maybe(_duration, "--restart", self.restart) or 0,
            _maybe(_duration, "--grace", self.grace) or 0,
        )


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What comes out."""

    jitter: Annotated[
        int | None,
        option(
            "--jitter",
            metavar="N",
            text="Also replay N times with each arrival moved by up to a minute: how far the figures are chance.",
            min=1,
        ),
    ] = None
    plots: Annotated[
        Path | None,
        option("--plots", metavar="FOLDER", text="Also draw the line, the load, waits by size and who ran when (PNG)."),
    ] = None
    as_json: Annotated[bool, option("--json", text="One JSON object a policy, each on its line.")] = False
    csv: Annotated[bool, option("--csv", text="A table for spreadsheets, one line a policy.")] = False


def _maybe(read: Callable[[str, str], int], name: str, text: str | None) -> int | None:
    return None if text is None else read(name, text)


def _duration(name: str, text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from error
