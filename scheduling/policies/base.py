"""What a scheduling policy is: an order among the waiting jobs of a queue, and a word on who gives way."""

from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter
from typing import Any

from scheduling.snapshot import QueueView, RunningJob, Snapshot, WaitingJob


class SchedulingPolicy:
    """Derive from this to order jobs in another way. Policies keep no state and read no clock.

    Either give a `sort_key` (the fast path: a line of thousands is sorted once), or override `select_next_job`, which
    is then asked for one job after another.
    """

    name: str = ""
    learns_bound: bool = False
    """Whether it goes by the longest wait of its own jobs so far, which is then kept from plan to plan."""
    keeps_floor: bool = False
    """Whether nobody may end later than under plain backfilling: all that run early give way to those whose turn it is there."""

    def prepare(self, snapshot: Snapshot, now: float) -> "SchedulingPolicy":  # noqa: ARG002 - for those who derive
        """The policy that orders this snapshot: itself, or a copy that knows what it needs of it."""
        return self

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> Any:
        """What to sort by, smallest first. Equal keys go by priority, then first come."""
        raise NotImplementedError

    def bound_seconds(self, job: WaitingJob) -> float:  # noqa: ARG002 - for those who derive
        """After how long a wait the job goes ahead of any policy, first come first served.

        Override it for a bound that depends on the job; otherwise it is `Rules.bounded_wait_seconds`, or the usual one.
        """
        return float("inf")

    def learned_bound_seconds(self, job: WaitingJob) -> float:  # noqa: ARG002 - for those who derive
        """After how long a wait the job goes ahead of all others in its own line, first come first served.

        Override it for a bound that follows from what the policy was prepared with, and say that it `learns_bound`.
        """
        return float("inf")

    def select_next_job(
        self, queue: QueueView, pending_jobs: Sequence[WaitingJob], *, now: float = 0.0
    ) -> WaitingJob | None:
        """The job that goes first among these, or None if there is none."""
        return min(pending_jobs, key=lambda job: (self.sort_key(job, queue, now), *_by_default(job)), default=None)

    def should_preempt(self, running_jobs: Sequence[RunningJob], new_job: WaitingJob) -> tuple[RunningJob, ...]:  # noqa: ARG002 - for those who derive
        """The running jobs that may be stopped for the new one: none, unless a policy says otherwise.

        The planner stops the cheapest of them that make room, and none if even all of them would not.
        """
        return ()

    def line(self, jobs: Sequence[WaitingJob], queues: Mapping[str, QueueView], now: float) -> Sequence[WaitingJob]:
        """All of `jobs`, in the order in which they are looked at. Raises ValueError if the policy loses or repeats one."""
        if type(self).select_next_job is not SchedulingPolicy.select_next_job:
            return self._one_by_one(jobs, queues, now)
        # Stable sorts, the least important first: on a line of thousands faster than one sort by tuples.
        ordered = default_order(jobs)
        sort_key = self.sort_key
        ordered.sort(key=lambda job: sort_key(job, queues[job.queue], now))
        return ordered

    def _one_by_one(
        self, jobs: Sequence[WaitingJob], queues: Mapping[str, QueueView], now: float
    ) -> Sequence[WaitingJob]:
        """Queue after queue, as a policy that only selects knows one queue at a time."""
        lines: dict[str, dict[int, WaitingJob]] = {}
        for job in default_order(jobs):
            lines.setdefault(job.queue, {})[job.id] = job
        ordered: list[WaitingJob] = []
        for name, left in lines.items():
            while left:
                chosen = self.select_next_job(queues[name], tuple(left.values()), now=now)
                if chosen is None:
                    ordered += left.values()
                    break
                if chosen.id not in left:
                    raise ValueError(f"it chose job {chosen.id}, which does not wait or was chosen before")
                ordered.append(left.pop(chosen.id))
        return ordered


def default_order(jobs: Iterable[WaitingJob]) -> list[WaitingJob]:
    """By priority, then first come."""
    ordered = first_come(jobs)
    ordered.sort(key=attrgetter("priority"), reverse=True)
    return ordered


def first_come(jobs: Iterable[WaitingJob]) -> list[WaitingJob]:
    """First come, first served."""
    ordered = sorted(jobs, key=attrgetter("id"))
    ordered.sort(key=attrgetter("submitted_at"))
    return ordered


def _by_default(job: WaitingJob) -> tuple[int, float, int]:
    return (-job.priority, job.submitted_at, job.id)
