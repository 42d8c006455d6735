"""Which jobs of a trace can be replayed, and what is assumed of them. Every rule is counted, none is silent."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum

from simulator.trace import SimulationError, TraceJob

Fits = Callable[[TraceJob], bool]


class Overrun(StrEnum):
    """What becomes of a job that ran longer than its walltime."""

    STOP = "stop"  # it is stopped at its walltime: run := min(run, walltime)
    EXTEND = "extend"  # nobody is stopped: walltime := max(walltime, run)


class MissingWalltime(StrEnum):
    """What becomes of a job without a walltime; a number of seconds is possible too."""

    AUTO = "auto"  # kept without, as the platform takes it, if the trace says so; else dropped; but its run time where
    # no job of the trace has one, or overruns extend the walltime anyway
    DROP = "drop"
    RUN = "run"  # its run time is taken for it: a perfect estimate


class TooWide(StrEnum):
    """What becomes of a job that the cluster could never hold."""

    REFUSE = "refuse"  # nothing is replayed
    DROP = "drop"


@dataclass(frozen=True, slots=True)
class CleaningRules:
    """How a trace is made fit to be replayed. The defaults are those of Gaussier et al., SC'15."""

    missing_walltime: MissingWalltime | float = MissingWalltime.AUTO
    overrun: Overrun = Overrun.STOP
    too_wide: TooWide = TooWide.REFUSE


@dataclass(frozen=True, slots=True)
class CleanJob:
    """A job that can be replayed. `number` is its place among all clean jobs of the trace, from 0 on."""

    number: int
    run_s: float
    walltime_s: int | None  # whole seconds, rounded up; None: nothing stops it
    trace: TraceJob


@dataclass(slots=True)
class Cleaning:
    """What was done to a trace, in numbers of jobs."""

    read: int = 0
    never_started: int = 0  # dropped
    without_run: int = 0  # dropped: they started, but no run time above zero is known
    without_width: int = 0  # dropped: no processors
    too_wide: int = 0  # dropped: the cluster could never hold them
    without_walltime: int = 0  # dropped
    unlimited: int = 0  # kept without a walltime
    assumed: int = 0  # got a walltime
    stopped: int = 0  # ran until their walltime only
    extended: int = 0  # got their run time for a walltime
    jobs: list[CleanJob] = field(default_factory=list)

    def sentence(self) -> str:
        """What a reader has to know to compare the figures with others."""
        said = {
            "dropped that never started": self.never_started,
            "dropped without a run time": self.without_run,
            "dropped without processors": self.without_width,
            "dropped that are too wide for the cluster": self.too_wide,
            "dropped without a walltime": self.without_walltime,
            "kept without a limit": self.unlimited,
            "given a walltime": self.assumed,
            "stopped at their walltime": self.stopped,
            "given more walltime": self.extended,
        }
        done = ", ".join(f"{count:,} {what}" for what, count in said.items() if count)
        return f"{self.read:,} jobs read" + (f": {done}" if done else "")

    def counts(self) -> dict[str, int]:
        """The same for a program."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name != "jobs"}


def clean(jobs: Sequence[TraceJob], rules: CleaningRules | None = None, *, fits: Fits = lambda _: True) -> Cleaning:
    """The jobs that can be replayed, and the count of all others. Raises SimulationError if none is left.

    `fits` says whether the cluster could hold a job. Where the rules do not drop those that it could not, nobody asks:
    the replay refuses them, with their line.
    """
    rules = rules or CleaningRules()
    keeps_unlimited = rules.missing_walltime is MissingWalltime.AUTO
    rules = _settled(rules, jobs)
    cleaning = Cleaning(read=len(jobs))
    for job in jobs:
        run = job.run_s or 0
        if job.never_started:
            cleaning.never_started += 1
        elif run <= 0:
            cleaning.without_run += 1
        elif job.width <= 0:
            cleaning.without_width += 1
        elif rules.too_wide is TooWide.DROP and not fits(job):
            cleaning.too_wide += 1
        elif job.unlimited and keeps_unlimited:
            cleaning.unlimited += 1
            cleaning.jobs.append(CleanJob(len(cleaning.jobs), run, None, job))
        else:
            _keep(cleaning, job, run, rules)
    if not cleaning.jobs:
        raise SimulationError(f"No job is left to replay: {cleaning.sentence()}.")
    return cleaning


def _settled(rules: CleaningRules, jobs: Iterable[TraceJob]) -> CleaningRules:
    if rules.missing_walltime is not MissingWalltime.AUTO:
        return rules
    drops = rules.overrun is Overrun.STOP and any(job.walltime_s or job.unlimited for job in jobs)
    return replace(rules, missing_walltime=MissingWalltime.DROP if drops else MissingWalltime.RUN)


def _keep(cleaning: Cleaning, job: TraceJob, run: float, rules: CleaningRules) -> None:
    walltime = job.walltime_s or 0
    if walltime <= 0:
        if rules.missing_walltime is MissingWalltime.DROP:
            cleaning.without_walltime += 1
            return
        walltime = run if isinstance(rules.missing_walltime, MissingWalltime) else rules.missing_walltime
        cleaning.assumed += 1
    if run > walltime:
        if rules.overrun is Overrun.STOP:
            run = walltime
            cleaning.stopped += 1
        else:
            walltime = run
            cleaning.extended += 1
    cleaning.jobs.append(CleanJob(len(cleaning.jobs), run, math.ceil(walltime), job))
