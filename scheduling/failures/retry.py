"""What follows an attempt that ended badly: another one or none, at whose cost and when; and what it says of node and job.

One table for all reasons. The delay is a moment before which the job is not placed: it keeps its age, and with that its
place in line, and no second line of retries comes about.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from zlib import crc32

from scheduling.lifecycle import EndReason
from scheduling.reasons import listed


class RetryBudget(StrEnum):
    """Whose allowance of attempts a retry is taken from."""

    OWNER = "owner"
    PLATFORM = "platform"
    NOBODY = "nobody"


class NodeSuspicion(StrEnum):
    """When an end counts against the node on which it came."""

    NEVER = "never"
    AT_ONCE = "at_once"  # only if it came so soon after the start that the node may be to blame
    ALWAYS = "always"


@dataclass(frozen=True, slots=True)
class BackOff:
    """The seconds before a first retry, doubled for each one after it up to the longest. `free` retries come at once."""

    first: float
    longest: float
    free: int = 0

    def seconds(self, used: int) -> float:
        """The delay after `used` earlier retries."""
        if used < self.free:
            return 0.0
        doublings = min(used - self.free, 10)  # far beyond the ceiling; keeps the power small
        return min(self.first * 2.0**doublings, self.longest)


AT_ONCE = BackOff(0.0, 0.0)
COMMANDS = BackOff(5.0, 300.0)
MACHINES = BackOff(30.0, 600.0, free=1)
"""The first time another node will do; after that something larger may be broken, and needs time to be repaired."""


@dataclass(frozen=True, slots=True)
class FailureClass:
    """What one reason means.

    `elsewhere`: the next attempt had better go to another node. `own_fault_twice`: coming at once and in the same way on
    two nodes, it is the job's own doing.
    """

    payer: RetryBudget
    back_off: BackOff
    suspicion: NodeSuspicion = NodeSuspicion.NEVER
    elsewhere: bool = False
    own_fault_twice: bool = False


LOST = FailureClass(RetryBudget.PLATFORM, AT_ONCE, elsewhere=True)
BROKEN = FailureClass(RetryBudget.PLATFORM, MACHINES, NodeSuspicion.ALWAYS, elsewhere=True)
BROKE_OFF = FailureClass(RetryBudget.OWNER, COMMANDS, NodeSuspicion.AT_ONCE, elsewhere=True, own_fault_twice=True)
OVER_ITS_LIMIT = FailureClass(RetryBudget.OWNER, COMMANDS, own_fault_twice=True)

MEANINGS: Mapping[EndReason, FailureClass] = MappingProxyType(
    {
        # A silent node is found by its silence; that jobs were on it says no more.
        EndReason.NODE_LOST: LOST,
        EndReason.LOST_LEASE: LOST,
        # A node whose disk is full takes nothing until there is room again: with that all is said of it.
        EndReason.DISK_FULL: FailureClass(RetryBudget.PLATFORM, MACHINES, elsewhere=True),
        # A broken platform is often shared by all nodes: that it comes twice proves nothing of the job.
        EndReason.PLATFORM_ERROR: BROKEN,
        # The storage of code and the site that hands out secrets are everybody's: no node is to blame for them.
        EndReason.CODE_UNAVAILABLE: FailureClass(RetryBudget.PLATFORM, MACHINES, elsewhere=True),
        EndReason.SECRETS_UNAVAILABLE: FailureClass(RetryBudget.PLATFORM, MACHINES, elsewhere=True),
        EndReason.FILES_UNAVAILABLE: FailureClass(RetryBudget.PLATFORM, MACHINES, elsewhere=True),
        # What it asked for, perhaps by a file that nobody can solve: the owner's affair, but another node may have it.
        EndReason.SETUP_FAILED: FailureClass(RetryBudget.OWNER, COMMANDS, elsewhere=True, own_fault_twice=True),
        EndReason.GPU_ERROR: FailureClass(
            RetryBudget.PLATFORM, MACHINES, NodeSuspicion.ALWAYS, elsewhere=True, own_fault_twice=True
        ),
        EndReason.EXIT_CODE: BROKE_OFF,
        EndReason.START_FAILED: BROKE_OFF,
        EndReason.OUT_OF_MEMORY: FailureClass(RetryBudget.OWNER, COMMANDS, elsewhere=True, own_fault_twice=True),
        EndReason.STALLED: FailureClass(RetryBudget.OWNER, COMMANDS, elsewhere=True),
        EndReason.TIMEOUT: OVER_ITS_LIMIT,
        EndReason.OUTPUT_LIMIT: OVER_ITS_LIMIT,
        EndReason.PROCESS_LIMIT: OVER_ITS_LIMIT,
        EndReason.PREEMPTED: FailureClass(RetryBudget.NOBODY, AT_ONCE),
    }
)
"""Every reason after which a job may be tried again. The others end it, or somebody asked for them."""


def reasons_that(
    *, payer: RetryBudget | None = None, suspicion: NodeSuspicion | None = None, elsewhere: bool | None = None
) -> frozenset[EndReason]:
    """The reasons that mean this, whatever else they mean."""
    return frozenset(
        reason
        for reason, meaning in MEANINGS.items()
        if payer in (None, meaning.payer)
        and suspicion in (None, meaning.suspicion)
        and elsewhere in (None, meaning.elsewhere)
    )


@dataclass(frozen=True, slots=True)
class Failure:
    """One end of an attempt: why, on which nodes it came from, and how long the command ran; None: it never did."""

    reason: EndReason
    exit_code: int | None = None
    nodes: frozenset[str] = frozenset()
    run_seconds: float | None = None

    def is_like(self, other: "Failure") -> bool:
        return (self.reason, self.exit_code) == (other.reason, other.exit_code)

    def at_once(self, within_seconds: float) -> bool:
        return self.run_seconds is None or self.run_seconds <= within_seconds


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many attempts a job may still cost its owner and the platform, and what counts as failing at once."""

    retries_used: int = 0
    max_retries: int = 0
    platform_retries_used: int = 0
    platform_retries: int = 0
    at_once_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again, after a delay, at this one's cost."""

    delay_seconds: float
    payer: RetryBudget


@dataclass(frozen=True, slots=True)
class GiveUp:
    """No further attempt. `own_fault_on`: the nodes on which it failed in the same way at once."""

    sentence: str = ""
    own_fault_on: tuple[str, ...] = ()


def decide(failure: Failure, allowance: Allowance, *, past: Sequence[Failure] = (), seed: str = "") -> Retry | GiveUp:
    """What follows a failure, `past` being the job's failures before it. The same `seed` gives the same jitter."""
    meaning = MEANINGS.get(failure.reason)
    if meaning is None:
        return GiveUp("It is not to be tried again.")
    if meaning.payer is RetryBudget.NOBODY:
        return Retry(0.0, RetryBudget.NOBODY)
    if nodes := own_fault_on(failure, past, allowance.at_once_seconds):
        return GiveUp(f"It failed at once and in the same way on {listed(nodes)}: the fault is its own.", nodes)
    used, allowed = _spent(allowance, meaning.payer)
    if used >= allowed:
        return GiveUp(_used_up(meaning.payer, allowed))
    return Retry(meaning.back_off.seconds(used) * (1 + jitter(seed)), meaning.payer)


def own_fault_on(failure: Failure, past: Sequence[Failure], at_once_seconds: float) -> tuple[str, ...]:
    """Two nodes or more on which the job failed in this way as soon as it was started; none if there are no two."""
    if not (MEANINGS[failure.reason].own_fault_twice and failure.at_once(at_once_seconds)):
        return ()
    before = [one for one in past if one.is_like(failure) and one.at_once(at_once_seconds)]
    others = [one for one in before if one.nodes and failure.nodes and not one.nodes & failure.nodes]
    return tuple(sorted(failure.nodes.union(*(one.nodes for one in others)))) if others else ()


def _spent(allowance: Allowance, payer: RetryBudget) -> tuple[int, int]:
    if payer is RetryBudget.PLATFORM:
        return allowance.platform_retries_used, allowance.platform_retries
    return allowance.retries_used, allowance.max_retries


def _used_up(payer: RetryBudget, allowed: int) -> str:
    if payer is RetryBudget.PLATFORM:
        return f"Its nodes failed it; the platform's retries are used up ({allowed})."
    return f"Its retries are used up ({allowed})." if allowed else "It has no retries."


def jitter(seed: str) -> float:
    """Up to a quarter, so that jobs that failed together do not come back together: reckoned from the seed alone."""
    return crc32(seed.encode()) / 2**34
