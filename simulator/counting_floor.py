"""Replays a trace on a pool under the policy `floor` by counting processors: as `scheduling/planning/floor` would plan it.

EASY runs in the shadow; whoever has his turn there and is not ahead of it has to run, and those give way that run early.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from scheduling.nodes.profile import FOREVER
from scheduling.planning.floor.progress import head_start
from scheduling.planning.floor.shadow import MOST_AT_ONCE
from scheduling.planning.floor.turns import DIGITS, EXACT
from scheduling.policies import policy
from scheduling.rules import Backfill
from scheduling.run_times import expected_within
from simulator.asked import saves_its_work
from simulator.cleaning import CleanJob
from simulator.cluster import Cluster
from simulator.counting.kept_room import KeptRoom
from simulator.counting.pool_job import PoolJob
from simulator.counting.pool_scheduler import PoolScheduler
from simulator.counting.waiting_line import WaitingLine
from simulator.counting_replay import pool_job
from simulator.event_loop import EventLoop
from simulator.outcome import JobOutcome, Run
from simulator.settings import RunTimes, Settings
from simulator.timeless_orders import ORDERS

SHADOW_ORDER, EARLY_ORDER = ORDERS["backfill"], ORDERS["responsive"]


def counts_floor(cluster: Cluster, settings: Settings) -> bool:
    """Whether counting gives what the planner would: one pool, EASY in the shadow, and whoever is stopped is gone at once."""
    rules = settings.rules
    plain = rules.backfill is Backfill.EASY and rules.reserve_depth == 1 and rules.bounded_wait_seconds is None
    at_once = not settings.grace_s and rules.preemption.restart_cost_seconds == settings.restart_s
    return cluster.pooled and policy(rules.policy).keeps_floor and plain and at_once and not rules.preemption.strategies


@dataclass(slots=True)
class _Progress:
    """How far a job has come, here and in the shadow."""

    job: CleanJob
    in_pool: PoolJob  # as it stands in the shadow's line
    early: PoolJob  # as it stands in line for room before its turn
    predicted: float | None  # at its submission
    saves: bool
    first_start: float | None = None
    started_at: float | None = None
    saved_s: float = 0.0
    lost_s: float = 0.0
    stops: int = 0
    in_shadow: float | None = None  # since when it runs there
    waited_s: float = 0.0  # by its shadow, for it
    ended: bool = False


class CountingFloorReplay(EventLoop):
    """One replay, for settings under which `counts_floor`."""

    def __init__(
        self, jobs: Sequence[CleanJob], cluster: Cluster, settings: Settings, *, source: str = "the trace"
    ) -> None:
        """Raises TraceError if a job could never start on this cluster."""
        super().__init__(jobs, settings)
        cluster.requests(jobs, source)
        [node] = cluster.nodes
        self._nodes = (node.name,)
        self._free = node.cpus
        self._shadow = PoolScheduler(node.cpus)
        self._early = WaitingLine(Backfill.EASY)
        self._learns = settings.run_times is RunTimes.LEARNED
        self._progress: dict[int, _Progress] = {}
        self._running: dict[int, _Progress] = {}
        self._waiting_of: dict[str, dict[int, _Progress]] = {}
        self._arrived: list[_Progress] = []  # not yet in the shadow's line
        self._joined = 0
        self._shadow_ends: list[tuple[float, int]] = []  # of those that have ended here
        self._catching_up: list[
            tuple[float, int]
        ] = []  # when the shadow of one that does not run has used up what it saved
        self._clock_there = 0.0
        self._longest_wait = 0.0

    def _arrive(self, job: CleanJob) -> None:
        predicted = self._learner.predict(job)
        in_pool, early = (pool_job(job, self._settings, order, predicted) for order in (SHADOW_ORDER, EARLY_ORDER))
        saves = saves_its_work(job, self._settings)
        progress = self._progress[job.number] = _Progress(job, in_pool, early, predicted, saves)
        self._arrived.append(progress)
        self._waiting_of.setdefault(job.trace.user, {})[job.number] = progress
        self._stand_in_line(progress)

    def _vacate_if_due(self, number: int) -> None:
        """Where jobs are stopped for others, room is given away when it is free."""

    def _end(self, number: int) -> None:
        progress, now = self._running.pop(number), self._clock.now
        self._leave(progress)
        progress.ended = True
        if progress.in_shadow is not None:
            heappush(self._shadow_ends, (progress.in_shadow + progress.job.run_s, number))
        job, width = progress.job, progress.in_pool.width
        start = now if progress.first_start is None else progress.first_start
        self.outcome.jobs.append(
            JobOutcome(job, width, start, now, progress.stops, progress.lost_s, progress.predicted)
        )
        self._learner.learn(job)
        if self._learns:
            self._reorder(self._waiting_of[job.trace.user].values())

    def _reorder(self, waiting: Iterable[_Progress]) -> None:
        for progress in waiting:
            job, before = progress.job, progress.early
            expected = expected_within(before.limit, self._learner.predict(job))
            if expected != before.expected:
                self._expect(progress, expected)
                if job.number in self._early:
                    self._early.move(progress.early, progress.early.place)

    def _expect(self, progress: _Progress, expected: float) -> None:
        place = EARLY_ORDER(progress.job, expected, progress.early.limit)
        progress.early = progress.early._replace(place=place, expected=expected)

    def _plan(self) -> None:
        self.outcome.plans += 1
        self._play_shadow()
        self._wait_for_the_late()
        self._start_due()
        self._start_early(self._starting_at_once())
        self._wake()

    @property
    def _lag(self) -> float:
        return self._settings.rules.floor_slack * self._longest_wait

    def _play_shadow(self) -> None:
        """On to now, less the slack: ends, arrivals, and a plan for each moment at which there are some."""
        now = self._clock.now
        while (moment := self._next_there()) + self._lag <= now:
            while self._shadow_ends and self._shadow_ends[0][0] <= moment:
                number = heappop(self._shadow_ends)[1]
                self._shadow.end(number)
                del self._progress[number]
            while self._joined < len(self._arrived) and self._arrived[self._joined].in_pool.submitted_at <= moment:
                self._shadow.arrive(self._arrived[self._joined].in_pool)
                self._joined += 1
            for one in self._shadow.plan(moment):
                self._longest_wait = max(self._longest_wait, moment - one.submitted_at)
                self._begin_there(self._progress[one.number], moment)
            self._clock_there = max(self._clock_there, moment)
        self._clock_there = max(self._clock_there, now - self._lag)
        if self._joined == len(self._arrived):
            self._arrived, self._joined = [], 0

    def _wait_for_the_late(self) -> None:
        """Whoever is behind its shadow (it had to load what it had saved): that waits for it."""
        if self._settings.restart_s or self._settings.rules.floor_slack:
            for progress in self._running.values():
                self._wait_for(progress)

    def _wait_for(self, progress: _Progress) -> None:
        if progress.in_shadow is None or progress.ended:
            return
        behind = self._clock_there - progress.in_shadow - self._done(progress)
        if behind > 0:
            progress.in_shadow += behind
            progress.waited_s += behind
            self._shadow.began_later(progress.in_pool, progress.in_shadow)

    def _next_there(self) -> float:
        end = self._shadow_ends[0][0] if self._shadow_ends else FOREVER
        came = self._arrived[self._joined].in_pool.submitted_at if self._joined < len(self._arrived) else FOREVER
        return min(end, came)

    def _begin_there(self, progress: _Progress, moment: float) -> None:
        progress.in_shadow = moment
        if progress.ended:
            heappush(self._shadow_ends, (moment + progress.job.run_s, progress.job.number))
        elif progress.started_at is None:
            self._note_catching_up(progress)

    def _note_catching_up(self, progress: _Progress) -> None:
        moment = (progress.in_shadow or 0.0) + head_start(progress.saved_s, self._settings.restart_s)
        heappush(self._catching_up, (moment, progress.job.number))

    def _start_due(self) -> None:
        due = []
        while self._catching_up and self._catching_up[0][0] <= self._clock_there + EXACT:
            _, number = heappop(self._catching_up)
            progress = self._progress.get(number)
            if progress is not None and progress not in due and self._is_due(progress):
                self._wait_for(progress)
                due.append(progress)
        for progress in sorted(due, key=_in_turn):
            if progress.job.number in self._early:
                self._early.remove(progress.job.number)
            self._make_room(progress.in_pool.width)
            self._start(progress)
        for progress in self._ahead():
            if progress.in_pool.width <= self._free:
                self._start(progress)

    def _ahead(self) -> list[_Progress]:
        """Those that run in the shadow, wait here, are ahead of it, and may not be stopped again: in their own places."""
        known = {number: self._progress.get(number) for _, number in self._catching_up}
        found = [one for one in known.values() if one is not None and one.started_at is None and not one.ended]
        return sorted((one for one in found if not self._may_be_early(one)), key=_in_turn)

    def _is_due(self, progress: _Progress) -> bool:
        return progress.started_at is None and not progress.ended and self._left(progress, progress.saved_s) <= EXACT

    def _left(self, progress: _Progress, saved: float) -> float:
        """For how long its shadow may go on before a job with so much saved has to run."""
        if progress.in_shadow is None:
            return FOREVER
        return head_start(saved, self._settings.restart_s) - (self._clock_there - progress.in_shadow)

    def _make_room(self, width: int) -> None:
        """Those give way that lose least, and of those whoever is not needed stays."""
        if width <= self._free:
            return
        able = sorted(
            (self._loses(one), one.job.number, one)
            for one in self._running.values()
            if self._may_be_early(one) and self._left(one, self._saved(one)) > EXACT
        )
        room, chosen = self._free, []
        for _, _, one in able:
            if room >= width:
                break
            chosen.append(one)
            room += one.in_pool.width
        for one in reversed(chosen[:]):
            if room - one.in_pool.width >= width:
                room -= one.in_pool.width
                chosen.remove(one)
        for one in chosen:
            self._stop(one)

    def _loses(self, progress: _Progress) -> float:
        """Seconds of work, however wide: whoever has just saved it gives way first."""
        return round(self._done(progress) - self._saved(progress) + self._settings.restart_s, DIGITS)

    def _stop(self, progress: _Progress) -> None:
        number, done, saved = progress.job.number, self._done(progress), self._saved(progress)
        self._clock.stop(number)
        self._leave(self._running.pop(number))
        progress.saved_s, progress.lost_s = saved, progress.lost_s + done - saved
        progress.stops += 1
        progress.started_at = None
        self._waiting_of[progress.job.trace.user][number] = progress
        self._expect(progress, expected_within(progress.early.limit, progress.predicted))
        if progress.in_shadow is not None:
            self._note_catching_up(progress)
        self._stand_in_line(progress)

    def _stand_in_line(self, progress: _Progress) -> None:
        """For room before its turn, if it may have that."""
        if self._may_be_early(progress):
            self._early.add(progress.early, progress.early.place)

    def _may_be_early(self, progress: _Progress) -> bool:
        return progress.saves and progress.stops < self._settings.rules.preemption.max_per_job

    def _starting_at_once(self) -> list[_Progress]:
        """Within the slack: those that may not start early, if all that wait in the shadow would fit there at once."""
        joining = len(self._arrived) - self._joined
        if self._clock_there >= self._clock.now or len(self._shadow) + joining > MOST_AT_ONCE:
            return []
        line = [*self._shadow.waiting(), *(one.in_pool for one in self._arrived[self._joined :])]
        leave = [number for end, number in self._shadow_ends if end <= self._clock.now]
        free = self._shadow.free + sum(self._progress[number].in_pool.width for number in leave)
        if sum(job.width for job in line) > free:
            return []
        all_of_them = [self._progress[job.number] for job in line]
        return [one for one in all_of_them if one.started_at is None and not one.ended and not self._may_be_early(one)]

    def _start_early(self, at_once: Sequence[_Progress]) -> None:
        for progress in at_once:
            self._early.add(progress.early, progress.early.place)
        while self._free and self._early:
            job = self._early.first_beside(KeptRoom(self._early.first(), FOREVER, self._free), self._free, 0.0)
            if job is None:
                break
            self._early.remove(job.number)
            self._start(self._progress[job.number])
        for progress in at_once:
            if progress.started_at is None:
                self._early.remove(progress.job.number)

    def _start(self, progress: _Progress) -> None:
        number, now = progress.job.number, self._clock.now
        progress.started_at = now
        progress.first_start = now if progress.first_start is None else progress.first_start
        self._free -= progress.in_pool.width
        self._running[number] = progress
        self._clock.run_until(now + self._overhead(progress) + progress.job.run_s - progress.saved_s, number)
        del self._waiting_of[progress.job.trace.user][number]

    def _leave(self, progress: _Progress) -> None:
        width, start = progress.in_pool.width, progress.started_at or 0.0
        self._free += width
        self.outcome.runs.append(Run(progress.job.number, start, self._clock.now, width, self._nodes))

    def _overhead(self, progress: _Progress) -> float:
        return self._settings.restart_s if progress.saved_s else 0.0

    def _done(self, progress: _Progress) -> float:
        if progress.started_at is None:
            return progress.saved_s
        return progress.saved_s + max(0.0, self._clock.now - progress.started_at - self._overhead(progress))

    def _saved(self, progress: _Progress) -> float:
        every = self._settings.checkpoint_s
        return (
            max(progress.saved_s, self._done(progress) // every * every)
            if every and progress.saves
            else progress.saved_s
        )

    def _wake(self) -> None:
        """When the shadow has something new to say, if nothing happens here before."""
        while self._catching_up:
            progress = self._progress.get(self._catching_up[0][1])
            if progress is not None and progress.started_at is None and not progress.ended:
                break
            heappop(self._catching_up)
        ahead = self._catching_up[0][0] if self._catching_up else FOREVER
        self._clock.wake_at(max(min(self._next_there(), ahead) + self._lag, self._clock.now))


def _in_turn(progress: _Progress) -> tuple[float, int]:
    """By when their turns came, as `floor.turns` has it."""
    return (round((progress.in_shadow or 0.0) - progress.waited_s, DIGITS), progress.job.number)
