"""Short jobs soon, and a bound for all: the recommended policy of batch queues."""

from dataclasses import dataclass, field

from scheduling.nodes.cluster_size import PlatformSize
from scheduling.policies.base import SchedulingPolicy
from scheduling.rules import Rules
from scheduling.run_times import expected_seconds, limit_seconds
from scheduling.snapshot import QueueView, Snapshot, WaitingJob

WIDE_DISCOUNT = 0.4
"""A job as wide as the platform is overdue by so much of the bound earlier."""
OF_LONGEST_WAIT = 0.6
"""The learned bound is this part of the longest wait: what is left of that is for the overdue to find room."""


@dataclass(frozen=True)
class Responsive(SchedulingPolicy):
    """Orders by the square root of expected run time x limit, the shorter first; the oldest overdue jobs go before that.

    The expected run time alone would bet everything on the prediction, the limit alone on its owner's guess: their
    geometric mean loses little where either is wrong (in the spirit of Gaussier et al., SC'15, and Lelong, Reis and
    Trystram, JSSPP 2017, who bound backfilling orders by a threshold on the wait). A job is overdue when it has waited
    for bound x (1 - 0.4 x its part of the platform): wide jobs are the ones that starve, so they stop waiting earlier.
    The bound is learned (`learned_bound`), unless the rules state one.
    """

    name = "responsive"
    learns_bound = True
    rules: Rules = field(default_factory=Rules)
    size: PlatformSize = field(default_factory=PlatformSize)
    learned: float = float("inf")

    def prepare(self, snapshot: Snapshot, now: float) -> "Responsive":
        size = PlatformSize.of(snapshot)
        if snapshot.rules.bounded_wait_seconds is not None:
            return Responsive(snapshot.rules, size)
        return Responsive(
            snapshot.rules, size, learned_bound(snapshot.longest_wait.seconds_at(now), self._work(snapshot, size))
        )

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> float:  # noqa: ARG002 - needs neither
        return expected_seconds(job, self.rules) * limit_seconds(job, self.rules)

    def bound_seconds(self, job: WaitingJob) -> float:
        rules, part = self.rules, self.size.part_of(job.request)
        if rules.bounded_wait_seconds is not None:
            return earlier_if_wide(rules.bounded_wait_seconds, part)
        if rules.usual_bounded_wait_seconds is None:
            return float("inf")
        # Before other queues too, but nobody who would still have to wait in his own.
        return earlier_if_wide(max(rules.usual_bounded_wait_seconds, self.learned), part)

    def learned_bound_seconds(self, job: WaitingJob) -> float:
        return earlier_if_wide(self.learned, self.size.part_of(job.request))

    def _work(self, snapshot: Snapshot, size: PlatformSize) -> float:
        """For how long all that waits in its lines would keep the whole platform busy."""
        fallback = snapshot.rules.policy
        own = {queue.name for queue in snapshot.queues if (queue.policy or fallback) == self.name}
        line = (
            job
            for job in snapshot.waiting
            if job.queue in own and not (job.held or job.stopped or job.unmet or job.broken)
        )
        return size.seconds_for(size.work(job.request, expected_seconds(job, snapshot.rules)) for job in line)


def learned_bound(longest_wait: float, work: float) -> float:
    """After how long a wait a job is overdue: a part of the longest wait, as it was so far or as it is to be expected.

    What was so far is nothing at first, and too little when more comes than ever before. But then there is much work in
    line, and whoever came last would wait for about as long as all nodes together take for that, in whatever order.
    """
    return OF_LONGEST_WAIT * max(longest_wait, work)


def earlier_if_wide(bound: float, part: float) -> float:
    """The bound of a job that asks for this part of the platform."""
    return bound * (1 - WIDE_DISCOUNT * part)
