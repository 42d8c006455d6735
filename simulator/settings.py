"""How a trace is replayed."""

from dataclasses import dataclass, field
from enum import StrEnum

from scheduling.errors import FieldError, InvalidError
from scheduling.placement import strategy
from scheduling.policies import POLICIES, policy
from scheduling.rules import Backfill, Preemption, Rules

__all__ = [
    "Backfill",
    "InvalidError",
    "Preemption",
    "Rules",
    "RunTimes",
    "Settings",
    "Ties",
    "checked",
    "usual_checkpoints",
    "usual_run_times",
]

LEARNS = "responsive"
"""The policy that is meant to go by what is learned, as those are that keep a floor: they order by it too."""
PREEMPTION = ("priority", "reclaim", "pressure")


class Ties(StrEnum):
    """What comes first of all that happens at one instant."""

    NATURAL = "natural"  # all ends and all arrivals, then one plan
    PYSS = "pyss"  # each arrival and then each end with a plan of its own; who should have ended by now counts as gone


class RunTimes(StrEnum):
    """What the planner knows of a job's run time beside the walltime that its owner asked for."""

    REQUESTED = "requested"  # nothing
    LEARNED = "learned"  # what can be learned from jobs that have ended; reservations stay by the walltime
    EXACT = "exact"  # the run time itself, in place of the walltime


@dataclass(frozen=True, slots=True)
class Settings:
    """The rules of the planner, and what the replay itself has to be told."""

    rules: Rules = field(default_factory=lambda: Rules(policy="fifo", explain=False))
    ties: Ties = Ties.NATURAL
    run_times: RunTimes = RunTimes.REQUESTED
    checkpoint_s: float | None = (
        None  # a job that is stopped goes on from its last multiple of this; None: from nothing
    )
    checkpointable: float = 1.0  # the part of the jobs that save their work at all
    restart_s: float = 0.0  # what it takes to go on from saved work
    grace_s: float = 0.0  # how long a job that is stopped stays

    @property
    def stops_jobs(self) -> bool:
        """Whether running jobs may be stopped for others."""
        return _keeps_floor(self.rules.policy) or bool(self.rules.preemption.strategies)


def usual_run_times(policy_name: str) -> RunTimes:
    """What a policy is given where nobody says otherwise."""
    return RunTimes.LEARNED if policy_name == LEARNS or _keeps_floor(policy_name) else RunTimes.REQUESTED


def usual_checkpoints(policy_name: str) -> str | None:
    """How often jobs save their work where nobody says: often enough for a policy that lives by that."""
    return "30m" if _keeps_floor(policy_name) else None


def _keeps_floor(policy_name: str) -> bool:
    return policy_name in POLICIES and POLICIES[policy_name].keeps_floor


def checked(settings: Settings) -> Settings:
    """The same. Raises InvalidError for a name that nobody knows."""
    policy(settings.rules.policy)
    strategy(settings.rules.placement)
    for name in settings.rules.preemption.strategies:
        if name not in PREEMPTION:
            known = ", ".join(PREEMPTION)
            raise InvalidError([FieldError("preemption", f"There is no strategy {name!r}. Known are: {known}.")])
    return settings
