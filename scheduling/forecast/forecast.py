"""When waiting jobs will start: the plan itself, played forward until they do.

Three times: jobs run as long as expected, much shorter, and up to their limits. What comes out is an opinion on the jobs
that are known now; who is submitted later and goes first is not in it.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from heapq import heappop, heappush
from itertools import chain, islice

from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import expected, limits, optimistic
from scheduling.nodes.profile import FOREVER
from scheduling.planning.candidates import Eligibility
from scheduling.planning.dependencies import can_run
from scheduling.planning.eligibility import is_held
from scheduling.planning.ordering import order_pending
from scheduling.rules import DAY
from scheduling.snapshot import RunningJob, Snapshot, WaitingJob


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job will start: soonest <= expected <= latest, each a time or None for "not as far as we looked".

    Without an expected start, `later_than` says how far we looked; None there means that the job cannot start as things
    are: it is held back, or what it asks for does not exist.
    """

    expected: float | None = None
    soonest: float | None = None
    latest: float | None = None
    later_than: float | None = None


@dataclass(frozen=True, slots=True)
class Effort:
    """How much work a forecast may be. Its cost is at most three times `plans` plans of four times `jobs` waiting jobs.

    `usual_lag` and `worst_lag` are the seconds that a place stays empty between two jobs, as one ends and the next begins.
    """

    jobs: int = 200  # the head of the line; who stands behind it is not foretold
    plans: int = 200  # where more ends lie ahead, several are taken at a time: the further away, the coarser
    horizon_seconds: float = 30 * DAY
    usual_lag: float = 0.0
    worst_lag: float = 0.0


THOROUGH = Effort()


def forecast(
    snapshot: Snapshot, now: float, job_ids: Iterable[int] | None = None, effort: Effort = THOROUGH
) -> Mapping[int, Forecast]:
    """The starts of these jobs, or of the first in line. A job that does not wait is not in the answer."""
    quick = replace(snapshot, rules=replace(snapshot.rules, explain=False))
    line = order_pending(quick, now).jobs
    eligibility = Eligibility(quick)
    possible = can_run(line, [job.id for job in snapshot.running], eligibility.may_ever_start)
    head = _head([job for job in line if job.id in possible], snapshot.running, eligibility, now, effort.jobs)
    known = {job.id for job in line}
    wanted = {job.id for job in head} if job_ids is None else set(job_ids) & known
    played = {job.id for job in head} & wanted
    paces = (expected(effort.usual_lag), optimistic(), limits(effort.worst_lag))
    never = _who_count(head, [job for job in line if job.id not in possible], effort.jobs)
    shortened = replace(quick, waiting=(*head, *never))
    no_start = {job.id for job in never}
    courses = [
        Rollout(shortened, now, pace, no_start).run(played, effort.plans, effort.horizon_seconds) for pace in paces
    ]
    return {
        job_id: _told(job_id, courses, effort)
        if job_id in played
        else Forecast(later_than=now if job_id in possible else None)
        for job_id in wanted
    }


def _told(job_id: int, courses: list[Rollout], effort: Effort) -> Forecast:
    """The three courses in one. A shorter run may make others start later, so they are put in order."""
    usual, *others = (course.starts.get(job_id, FOREVER) for course in courses)
    times = (usual, *others)
    return Forecast(
        expected=_time(usual),
        soonest=_time(min(times)),
        latest=_time(max(times) + effort.worst_lag),
        later_than=courses[0].looked_until if usual == FOREVER else None,
    )


def _time(moment: float) -> float | None:
    return None if moment == FOREVER else moment


def _head(
    line: Iterable[WaitingJob], running: Iterable[RunningJob], eligibility: Eligibility, now: float, number: int
) -> tuple[WaitingJob, ...]:
    """The first that may start now, as many of those that quotas refuse, and of those that wait for a time or for others.

    Whoever waits for jobs that are not in the head is not in it either.
    """
    able: list[WaitingJob] = []
    refused: list[WaitingJob] = []
    later: list[WaitingJob] = []
    for job in line:
        if is_held(job, now):
            later.append(job)
        elif len(able) < number or len(refused) < number:
            if eligibility.refusing(job):
                refused.append(job)
            else:
                eligibility.admit(job)
                able.append(job)
    head = [*able[:number], *refused[:number]]
    there = {job.id for job in head} | {job.id for job in running}
    return (*head, *_whose_needs_are_there(later, there, number))


def _who_count(head: Sequence[WaitingJob], others: Sequence[WaitingJob], number: int) -> tuple[WaitingJob, ...]:
    """The first of those that do not start as things are, before them those that urge others.

    What is usual, which a strategy may go by, and whose share is whose depend on all that wait: without them the plans
    would place and order the others in another way than those to come.
    """
    urging = _who_urge(head, others, number)
    known = {job.id for job in urging}
    return tuple(islice(chain(urging, (job for job in others if job.id not in known)), number))


def _who_urge(head: Sequence[WaitingJob], others: Iterable[WaitingJob], number: int) -> tuple[WaitingJob, ...]:
    """Those that do not start as things are, and yet lend their priority and their queue to jobs that they wait for."""
    asking: dict[int, list[WaitingJob]] = {}
    for job in others:
        for needed in job.unmet if not (job.held or job.broken) else ():
            asking.setdefault(needed, []).append(job)
    found: dict[int, WaitingJob] = {}
    asked = [job.id for job in head]
    while asked and asking and len(found) < number:
        for job in asking.pop(asked.pop(), ()):
            found[job.id] = job
            asked.append(job.id)
    return tuple(found.values())


def _whose_needs_are_there(later: Sequence[WaitingJob], there: set[int], number: int) -> Iterator[WaitingJob]:
    """The first of them all of whose dependencies are there, or become so with others that are chosen."""
    missing = [set(job.unmet) - there for job in later]
    asking: dict[int, list[int]] = {}
    for place, needs in enumerate(missing):
        for needed in needs:
            asking.setdefault(needed, []).append(place)
    ready = [place for place, needs in enumerate(missing) if not needs]  # in order, and so a heap
    for _ in range(number):
        if not ready:
            return
        chosen = later[heappop(ready)]
        yield chosen
        for place in asking.get(chosen.id, ()):
            missing[place].discard(chosen.id)
            if not missing[place]:
                heappush(ready, place)
