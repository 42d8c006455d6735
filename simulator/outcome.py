"""What became of each job in a replay."""

from dataclasses import dataclass, field

from simulator.cleaning import CleanJob


@dataclass(frozen=True, slots=True)
class Run:
    """A job on its nodes, from its start until it ended or was stopped."""

    number: int
    start: float
    end: float
    width: float  # in CPUs or GPUs, what the cluster is counted in
    nodes: tuple[str, ...]
    lost_s: float = 0.0  # of it, what the job got no further by: work that a stop took, and what it takes to go on


@dataclass(frozen=True, slots=True)
class JobOutcome:
    """A job from its submission to its end."""

    job: CleanJob
    width: float
    start: float  # of its first run
    end: float
    preemptions: int = 0
    lost_s: float = 0.0  # work that was done twice
    predicted_s: float | None = None  # what was expected of its run time when it was submitted

    @property
    def wait_s(self) -> float:
        """All the time between submission and end in which it did not get on."""
        if not self.preemptions:
            return self.start - self.job.trace.submit_s
        return self.end - self.job.trace.submit_s - self.job.run_s

    @property
    def bounded_slowdown(self) -> float:
        """Response time over run time, where no job is taken for shorter than ten seconds (Feitelson et al., 1997)."""
        return max((self.wait_s + self.job.run_s) / max(self.job.run_s, 10), 1)

    @property
    def is_late(self) -> bool | None:
        """Whether it ended after its deadline; None if it has none."""
        deadline = self.job.trace.deadline_s
        return None if deadline is None else self.end > deadline


@dataclass(slots=True)
class Outcome:
    """A whole replay: the jobs in the order in which they ended, the runs in the order of their ends."""

    jobs: list[JobOutcome] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    plans: int = 0
    alerts: set[str] = field(default_factory=set)
    quota_waits: list[float] = field(default_factory=list)
    """For how long each job waited for nominal quota that had to be taken back, from then until it started."""

    @property
    def ends(self) -> dict[int, float]:
        """When each job ended, by its number."""
        return {one.job.number: one.end for one in self.jobs}
