"""Short jobs soon, and a bound for all: the recommended policy of batch queues."""

from dataclasses import dataclass, field

from scheduling.nodes.cluster_size import PlatformSize
from scheduling.policies.base import SchedulingPolicy
from scheduling.rules import HOUR, Rules
from scheduling.run_times import expected_seconds, limit_seconds
from scheduling.snapshot import QueueView, Snapshot, WaitingJob

BOUND_SECONDS = 40 * HOUR
"""The bounded wait where the rules state none."""
WIDE_DISCOUNT = 0.4
"""A job as wide as the platform is overdue by so much of the bound earlier."""


@dataclass(frozen=True)
class Responsive(SchedulingPolicy):
    """Orders by the square root of expected run time x limit, the shorter first; the oldest overdue jobs go before that.

    The expected run time alone would bet everything on the prediction, the limit alone on its owner's guess: their
    geometric mean loses little where either is wrong (in the spirit of Gaussier et al., SC'15, and Lelong, Reis and
    Trystram, JSSPP 2017, who bound backfilling orders by a threshold on the wait). A job is overdue when it has waited
    for bound x (1 - 0.4 x its part of the platform): wide jobs are the ones that starve, so they stop waiting earlier.
    """

    name = "responsive"
    rules: Rules = field(default_factory=Rules)
    size: PlatformSize = field(default_factory=PlatformSize)

    def prepare(self, snapshot: Snapshot, now: float) -> "Responsive":  # noqa: ARG002 - the order has no clock
        return Responsive(snapshot.rules, PlatformSize.of(snapshot))

    def sort_key(self, job: WaitingJob, queue: QueueView, now: float) -> float:  # noqa: ARG002 - needs neither
        return expected_seconds(job, self.rules) * limit_seconds(job, self.rules)

    def bound_seconds(self, job: WaitingJob) -> float:
        bound = BOUND_SECONDS if self.rules.bounded_wait_seconds is None else self.rules.bounded_wait_seconds
        return bound * (1 - WIDE_DISCOUNT * self.size.part_of(job.request))
