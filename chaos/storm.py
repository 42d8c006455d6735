"""The drill itself: jobs come, parts fail and are healed, until every job has ended or it has taken far too long."""

import heapq
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import psycopg

from chaos import collecting
from chaos.books.records import withheld
from chaos.fault_kinds import affected_parts
from chaos.fault_plan import Fault
from chaos.injections import CannotBeDoneError, Undo, inject
from chaos.stack import Stack
from chaos.submitting import User
from chaos.workload import PlannedJob
from local_stack.rest import Rest

LOOK_SECONDS = 0.02
SAMPLE_SECONDS = 0.5
RETRY_SECONDS = 0.5
TRIES = 30
"""A fault to which nothing lends itself is tried again for fifteen seconds, then left out."""
SETTLE_SECONDS = 20.0
WITHHELD_LEASES = 15


@dataclass
class StormResult:
    """What happened in a storm, beside what the checks look at."""

    user: User
    done: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    breaches: dict[str, None] = field(default_factory=dict)
    seconds: float = 0.0


@dataclass(order=True, slots=True)
class Due:
    """A fault to be done, or undone, at a moment of the drill."""

    at: float
    number: int
    fault: Fault = field(compare=False)
    undo: Undo | None = field(compare=False, default=None)
    tries: int = field(compare=False, default=0)


class Storm:
    """Runs in the main thread: it is the parent of every part."""

    def __init__(self, stack: Stack, rest: Rest, plans: Sequence[PlannedJob], faults: Sequence[Fault]) -> None:
        self.outcome = StormResult(User(rest, plans, stack.diaries))
        self._stack = stack
        self._due = [Due(fault.at, fault.number, fault) for fault in faults]
        heapq.heapify(self._due)
        self._taken: set[str] = set()
        """The parts that have a fault just now: one that comes late waits until they are well."""
        self._began = 0.0
        self._sample_at = 0.0
        self._unfinished = 1
        self._withheld: dict[int, float] = {}
        """Who waits for quota of his own that others hold, since when."""

    def run(self, patience: float) -> StormResult:
        """Returns when all jobs have ended, or when none has for `patience` seconds after the last fault was healed."""
        self._began = time.monotonic()
        self.outcome.user.start()
        give_up_at, left = float("inf"), self._unfinished
        while time.monotonic() < give_up_at and not (self._quiet() and not self._unfinished):
            self._step()
            if self._quiet() and (give_up_at == float("inf") or self._unfinished < left):
                give_up_at, left = time.monotonic() + patience, self._unfinished
        self.outcome.seconds = time.monotonic() - self._began
        self._settle()
        return self.outcome

    def _quiet(self) -> bool:
        return not self._due and self.outcome.user.done

    def _step(self) -> None:
        self._stack.supervise()
        while self._due and self._due[0].at <= time.monotonic() - self._began:
            self._do(heapq.heappop(self._due))
        if time.monotonic() >= self._sample_at:
            self._sample()
            self._sample_at = time.monotonic() + SAMPLE_SECONDS
        time.sleep(LOOK_SECONDS)

    def _do(self, due: Due) -> None:
        now = time.monotonic() - self._began
        parts = affected_parts(due.fault.kind, due.fault.node, len(self._stack.machines))
        if due.undo is not None:
            due.undo()
            self._taken -= parts
        elif self._taken & parts:
            heapq.heappush(self._due, Due(now + RETRY_SECONDS, due.number, due.fault, None, due.tries))
        elif undo := self._injected(due, now):
            self._taken |= parts
            heapq.heappush(self._due, Due(now + due.fault.seconds, due.number, due.fault, undo))

    def _injected(self, due: Due, now: float) -> Undo | None:
        try:
            undo = inject(self._stack, due.fault)
        except CannotBeDoneError:
            self._later(due)
            return None
        self.outcome.done[due.fault.kind] += 1
        print(f"{now:7.1f} s  {due.fault.kind} {self._where(due.fault)} for {due.fault.seconds:.1f} s", flush=True)
        return undo

    def _later(self, due: Due) -> None:
        """Counted from now, since the try itself may have taken long: those that died meanwhile are started first."""
        if due.tries >= TRIES:
            self.outcome.left_out[due.fault.kind] += 1
        else:
            again_at = time.monotonic() - self._began + RETRY_SECONDS
            heapq.heappush(self._due, Due(again_at, due.number, due.fault, None, due.tries + 1))

    def _where(self, fault: Fault) -> str:
        return self._stack.machines[fault.node].name if fault.node >= 0 else ""

    def _sample(self) -> None:
        with suppress(psycopg.Error), self._stack.database() as database:
            self.outcome.breaches.update(dict.fromkeys(collecting.breaches(database)))
            self._unfinished = collecting.unfinished(database)
            self._look_for_withheld(withheld(database))

    def _look_for_withheld(self, now: set[int]) -> None:
        """Nominal quota comes back within a cycle and a grace, and whatever faults hold those up."""
        self._withheld = {job: self._withheld.get(job, time.monotonic()) for job in now}
        for job, since in self._withheld.items():
            if time.monotonic() - since > WITHHELD_LEASES * self._stack.shape.lease:
                self.outcome.breaches[f"job {job} waits in vain for quota of its own that others hold"] = None

    def _settle(self) -> None:
        """A moment for what the last job left: its shim, its folder."""
        with suppress(TimeoutError):
            self._stack.wait_for(lambda: not self._stack.strays(), "the last processes to end", SETTLE_SECONDS)
