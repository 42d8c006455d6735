"""Plans a pool of processors by counting them: in the order of any policy, with EASY or shortest-job backfilling or none.

Mu'alem and Feitelson, IEEE TPDS 12(6), 2001: the first job in line that does not fit gets the earliest moment at which
enough is free, its shadow time; others start beside it if they have ended by then, or take only what is left over then.
"""

from collections.abc import Iterable, Mapping

from scheduling.rules import Backfill
from simulator.counting.held_processors import HeldProcessors
from simulator.counting.kept_room import KeptRoom
from simulator.counting.overdue import BoundedOverdue, Overdue
from simulator.counting.pool_job import Place, PoolJob
from simulator.counting.waiting_line import WaitingLine

IN_LINE = 0
"""What the places of all begin with but those that go ahead."""
NOBODY: Mapping[int, Place] = {}


class PoolScheduler:
    """Jobs arrive and end whenever the caller says so; `plan` starts those whose turn it is.

    It starts what `scheduling.planning.plan.make_plan` would with one reservation. Those that are `overdue` go first.
    Only what has changed is touched.
    """

    def __init__(self, processors: int, backfill: Backfill = Backfill.EASY, *, overdue: Overdue | None = None) -> None:
        self._backfill = backfill
        self._held = HeldProcessors(processors)
        self._line = WaitingLine(backfill)
        self._overdue = overdue or BoundedOverdue(0)
        self._ahead = NOBODY
        self._arrived: list[PoolJob] = []  # since the last plan
        self._kept: KeptRoom | None = None  # what was kept then; None if more has happened than arrivals

    def __len__(self) -> int:
        """How many wait."""
        return len(self._line)

    def __bool__(self) -> bool:
        """Whether anybody waits."""
        return bool(self._line)

    @property
    def free(self) -> int:
        """The processors that nobody holds."""
        return self._held.free

    def waiting(self) -> Iterable[PoolJob]:
        """Those in line."""
        return self._line.jobs()

    def arrive(self, job: PoolJob) -> None:
        """The job waits from now on. It must not be wider than the pool."""
        self._line.add(job, (IN_LINE, *job.place))
        self._overdue.add(job)
        self._arrived.append(job)

    def reorder(self, job: PoolJob) -> None:
        """The job of that number waits already; only its place and its expected run time may be others than before."""
        self._line.move(job, self._ahead.get(job.number) or (IN_LINE, *job.place))
        self._overdue.change(job)
        self._kept = None

    def began_later(self, job: PoolJob, moment: float) -> None:
        """The job runs, and is taken to have started then."""
        self._held.give_back(job.number)
        self._held.take(job, moment)
        self._kept = None

    def end(self, number: int) -> None:
        """The job that started under that number holds nothing any more."""
        self._held.give_back(number)
        self._kept = None

    def plan(self, now: float) -> list[PoolJob]:
        """Those that start now, in the order in which they do."""
        self._bring_ahead(now)
        arrived, self._arrived = self._arrived, []
        started: list[PoolJob] = []
        kept = self._kept
        if kept is not None and kept.job is self._line.first() and not self._held.is_late(now):
            # All others were refused then, and there is no more room for them now.
            for job in self._line.in_turn(arrived):
                if job.width <= self._held.free and kept.admits(job, now):
                    kept.take(job, now)
                    self._start(job, now, started)
        else:
            self._start_in_turn(now, started)
        return started

    def _start_in_turn(self, now: float, started: list[PoolJob]) -> None:
        self._kept = None
        while self._line:
            first = self._line.first()
            if first.width > self._held.free:
                self._backfill_behind(first, now, started)
                break
            self._start(first, now, started)

    def _backfill_behind(self, first: PoolJob, now: float, started: list[PoolJob]) -> None:
        if self._line.is_too_full(self._held.free):
            return
        kept = self._kept = KeptRoom(first, *self._held.shadow(first.width, now))
        # Who was refused once stays so, as there is only ever less room: the first that may start now is the next.
        while (job := self._line.first_beside(kept, self._held.free, now)) is not None:
            kept.take(job, now)
            self._start(job, now, started)

    def _start(self, job: PoolJob, now: float, started: list[PoolJob]) -> None:
        self._line.remove(job.number)
        self._overdue.start(job, now)
        self._held.take(job, now)
        started.append(job)

    def _bring_ahead(self, now: float) -> None:
        ahead, before = self._overdue.ahead(now), self._ahead
        if ahead != before:
            self._ahead = ahead
            for number in ahead.keys() | before.keys():
                if number in self._line and ahead.get(number) != before.get(number):
                    self.reorder(self._line.job(number))
