"""What quotas on GPU time ahead still allow in one planning pass, and when what shrinks by itself will be enough.

A job that starts adds all that it may use up to its limit; from then on that only shrinks. So what is ahead under a quota is
looked at when something starts: now, and whenever a job starts for which room is kept.
"""

from collections.abc import Iterable, Iterator, Mapping
from math import inf
from typing import NamedTuple

from scheduling.sharing.ahead.meter import Course, course_of, is_limited, most_of, needed
from scheduling.sharing.associations import Associations
from scheduling.snapshot import Limits, ProjectView, RunningJob, Snapshot, WaitingJob, chain_of

NEVER = inf
STEP = 0.01
"""When it is enough is worked out to the hundredth of a second."""


class Kept(NamedTuple):
    """For a job that will start then."""

    start: float
    gpu_milli: int
    seconds: float

    def ahead_at(self, moment: float) -> int:
        return needed(self.gpu_milli, self.start + self.seconds - moment) if moment >= self.start else 0


class Lack(NamedTuple):
    """A quota that does not let a job start now: with it there would be too much ahead, now or when a kept job starts."""

    level: ProjectView
    moment: float
    most: int
    taken: int  # ahead of those that run, at that moment
    kept: Mapping[int, int]  # by job that goes first
    needed: int  # of the job at that moment

    @property
    def over(self) -> int:
        return self.taken + sum(self.kept.values()) + self.needed - self.most


class AheadRoom:
    """What starts and what is kept in it counts from then on."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        self.now = now
        self.next_at: float | None = None  # when the first starts for which room is kept until what is ahead has shrunk
        self._projects = {one.slug: one for one in snapshot.projects}
        self._associations = Associations.of_snapshot(snapshot)
        self._levels: dict[tuple[str, str, str], tuple[ProjectView, ...]] = {}
        self._courses: dict[str, dict[int, Course]] = {}
        self._ahead: dict[str, dict[float, int]] = {}  # by level: of those that run, now and when kept jobs start
        self._kept: dict[str, dict[int, Kept]] = {}
        self._waited_for: set[str] = set()
        for job in snapshot.running:
            levels = self._levels_over(job)
            if levels:
                self._runs(job.id, levels, course_of(job, now, snapshot.rules.assumed_limit_seconds))

    @classmethod
    def of(cls, snapshot: Snapshot, now: float) -> "AheadRoom | None":
        """None where no quota limits it: then nothing has to be counted."""
        limits = [one.limits for one in snapshot.projects if one.limits is not None]
        return cls(snapshot, now) if any(map(_holds_back, limits)) else None

    def over(self, job: WaitingJob) -> tuple[ProjectView, ...]:
        """The levels that limit it for the job, the nearest project's first; none for a job without GPUs."""
        return self._levels_over(job) if job.request.gpus else ()

    def allows(self, job: WaitingJob, seconds: float) -> bool:
        """Whether the job could start now with such a limit; without one it never can."""
        return next(self._lacks(job, seconds, self.now), None) is None

    def lacks(self, job: WaitingJob, seconds: float) -> list[Lack]:
        """The first of each level."""
        return list(self._lacks(job, seconds, self.now))

    def could_ever(self, job: WaitingJob, seconds: float) -> bool:
        """Whether it could start if nothing else ran."""
        return not too_long(job.request.total.all_gpu_milli, seconds, self.over(job))

    def earliest(self, job: WaitingJob, seconds: float, after: float) -> float:
        """The first moment, not before `after`, at which all levels allow it, if nobody else starts; NEVER if none does."""
        start, levels = after, self.over(job)
        if not levels or not self.could_ever(job, seconds):
            return NEVER if levels else after
        while (late := max(self._earliest(one, job, seconds, start) for one in levels)) > start:
            if late == NEVER:
                return late
            start = late
        return start

    def taken(self, level: str) -> int:
        """What is ahead there now of those that run or start in this pass."""
        return self._ahead.get(level, {}).get(self.now, 0)

    def holders(self, level: str) -> list[tuple[int, int]]:
        """Who has how much of that, who has most first."""
        found = ((job_id, course.ahead_in(0)) for job_id, course in self._courses.get(level, {}).items())
        return sorted(((job_id, ahead) for job_id, ahead in found if ahead), key=lambda one: (-one[1], one[0]))

    def started(self, job: WaitingJob, seconds: float) -> None:
        """From now on the job counts as running."""
        self._give_up(job.id)
        levels = self.over(job)
        if levels:
            self._runs(job.id, levels, Course(job.request.total.all_gpu_milli, seconds))

    def keep(self, job: WaitingJob, start: float, seconds: float) -> None:
        """From now on nobody else starts who would leave too little for the job, once it starts then."""
        self._give_up(job.id)
        for level in self.over(job):
            self._kept.setdefault(level.slug, {})[job.id] = Kept(start, job.request.total.all_gpu_milli, seconds)
            self._at(level.slug, max(start, self.now))

    def keep_later(self, job: WaitingJob, seconds: float) -> None:
        """Keep it from the first moment at which it is enough, for the first job that one of its levels refuses.

        Otherwise whatever runs off would be given to the next small job, and what is ahead never shrink.
        """
        refusing = {lack.level.slug for lack in self.lacks(job, seconds)}
        if refusing <= self._waited_for:
            return
        start = self.earliest(job, seconds, self.now)
        if start < NEVER:
            self._waited_for |= refusing
            self.keep(job, start, seconds)
            self.wake_at(start)

    def wake_at(self, moment: float) -> None:
        """Then somebody starts who waits until what is ahead has shrunk."""
        self.next_at = moment if self.next_at is None else min(self.next_at, moment)

    def keeps(self, job_id: int) -> bool:
        """Whether anything is kept for the job."""
        return any(job_id in kept for kept in self._kept.values())

    def _levels_over(self, job: WaitingJob | RunningJob) -> tuple[ProjectView, ...]:
        key = (job.project, job.queue, job.owner)
        found = self._levels.get(key)
        if found is None:
            levels = (*chain_of(job.project, self._projects), *self._associations.of(job))
            found = self._levels[key] = limiting(levels)
        return found

    def _runs(self, job_id: int, levels: Iterable[ProjectView], course: Course) -> None:
        for level in levels:
            self._courses.setdefault(level.slug, {})[job_id] = course
            known = self._ahead.setdefault(level.slug, {self.now: 0})
            for moment in known:
                known[moment] += course.ahead_in(moment - self.now)

    def _at(self, level: str, moment: float) -> int:
        """What is ahead then of those that run: kept up to date from now on."""
        known = self._ahead.setdefault(level, {self.now: 0})
        if moment not in known:
            courses = self._courses.get(level, {}).values()
            known[moment] = sum(course.ahead_in(moment - self.now) for course in courses)
        return known[moment]

    def _give_up(self, job_id: int) -> None:
        for kept in self._kept.values():
            kept.pop(job_id, None)

    def _lacks(self, job: WaitingJob, seconds: float, at: float) -> Iterator[Lack]:
        for level in self.over(job):
            lack = self._lack(level, job, seconds, at)
            if lack is not None:
                yield lack

    def _lack(self, level: ProjectView, job: WaitingJob, seconds: float, at: float) -> Lack | None:
        """The first moment at which it would be too much, if the job starts at that one."""
        most, gpu_milli = most_of(level.limits) or 0, job.request.total.all_gpu_milli
        kept = {one: value for one, value in self._kept.get(level.slug, {}).items() if one != job.id}
        if seconds == NEVER:
            return Lack(level, at, most, self._sum(level.slug, at), {}, most + 1)
        for moment in sorted({at, *(one.start for one in kept.values() if one.start > at)}):
            asked = needed(gpu_milli, seconds - (moment - at))
            if not asked:
                break
            before = {one: ahead for one, value in kept.items() if (ahead := value.ahead_at(moment))}
            lack = Lack(level, moment, most, self._sum(level.slug, moment), before, asked)
            if lack.over > 0:
                return lack
        return None

    def _sum(self, level: str, moment: float) -> int:
        known = self._ahead.get(level, {})
        if moment in known:
            return known[moment]
        return sum(course.ahead_in(moment - self.now) for course in self._courses.get(level, {}).values())

    def _earliest(self, level: ProjectView, job: WaitingJob, seconds: float, start: float) -> float:
        while start < NEVER and (lack := self._lack(level, job, seconds, start)) is not None:
            if lack.moment > start:  # it would leave too little for one who starts then: after him, if at all
                start = lack.moment
                continue
            later = (one.start for one in self._kept.get(level.slug, {}).values() if one.start > start)
            start = min(self._shrunk(level.slug, job.id, lack.over, start), *later, NEVER)
        return start

    def _shrunk(self, level: str, without: int, less: int, start: float) -> float:
        """When so much less is ahead there than at the start, if nobody starts after that."""
        kept = [one for job_id, one in self._kept.get(level, {}).items() if job_id != without and one.start <= start]
        runs = [one for one in self._courses.get(level, {}).values() if one.shrinks]
        ends = [(self.now + one.seconds, one.gpu_milli) for one in runs]
        ends += [(one.start + one.seconds, one.gpu_milli) for one in kept]
        left, at = float(less), start
        pace = sum(gpu_milli for end, gpu_milli in ends if end > start)
        for end, gpu_milli in sorted(one for one in ends if one[0] > start):
            if pace * (end - at) >= left:
                return max(at + left / pace, start + STEP)
            left, at, pace = left - pace * (end - at), end, pace - gpu_milli
        return max(at, start + STEP) if ends and left <= len(ends) else NEVER


def limiting(levels: Iterable[ProjectView]) -> tuple[ProjectView, ...]:
    """Those of them that limit GPU time ahead."""
    return tuple([one for one in levels if most_of(one.limits) is not None])


def too_long(gpu_milli: int, seconds: float, levels: Iterable[ProjectView]) -> list[ProjectView]:
    """The levels that never let such a job start; without a limit (NEVER seconds) none does."""
    if not gpu_milli:
        return []
    limits = ((one, most_of(one.limits)) for one in levels)
    return [one for one, most in limits if most is not None and (seconds == NEVER or needed(gpu_milli, seconds) > most)]


def _holds_back(limits: Limits) -> bool:
    return limits.enforced and is_limited(limits)
