"""When waiting jobs will start: the plan itself, played forward until they do.

Three times: jobs run as long as expected, much shorter, and up to their limits. What comes out is an opinion on the jobs
that are known now; who is submitted later and goes first is not in it.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from scheduling.forecast.effort import THOROUGH, Effort
from scheduling.forecast.floor_forecast import floor_starts
from scheduling.forecast.head_of_line import head_of_line
from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import expected, limits, optimistic
from scheduling.nodes.profile import FOREVER
from scheduling.planning.floor.follow import keeps_floor
from scheduling.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Forecast:
    """When a job will start: soonest <= expected <= latest <= floor, each a time or None for "not as far as we looked".

    Without an expected start, `later_than` says how far we looked; None there means that the job cannot start as things
    are: it is held back, or what it asks for does not exist.
    """

    expected: float | None = None
    soonest: float | None = None
    latest: float | None = None
    later_than: float | None = None
    floor: float | None = None


def forecast(
    snapshot: Snapshot, now: float, job_ids: Iterable[int] | None = None, effort: Effort = THOROUGH
) -> Mapping[int, Forecast]:
    """The starts of these jobs, or of the first in line. A job that does not wait is not in the answer."""
    quick = replace(snapshot, rules=replace(snapshot.rules, explain=False))
    told = head_of_line(quick, now, effort.jobs)
    asked = None if job_ids is None else set(job_ids)
    floors = floor_starts(quick, now, effort, asked) if keeps_floor(quick) else {}
    wanted = told.head | floors.keys() if asked is None else asked & {job.id for job in snapshot.waiting}
    played = told.head & wanted
    paces = (expected(effort.usual_lag), optimistic(), limits(effort.worst_lag))
    courses = [
        Rollout(told.world, now, pace, told.never).run(played, effort.plans, effort.horizon_seconds) for pace in paces
    ]
    return {
        job_id: _told(job_id, courses, effort, floors.get(job_id))
        if job_id in played
        else Forecast(later_than=now if job_id in told.possible else None, floor=floors.get(job_id))
        for job_id in wanted
    }


def _told(job_id: int, courses: list[Rollout], effort: Effort, floor: float | None) -> Forecast:
    """The three courses in one. A shorter run may make others start later, so they are put in order.

    A course takes many moments of the shadow together, so it may see a job start later than its floor: that stands.
    """
    usual, *others = (course.starts.get(job_id, FOREVER) for course in courses)
    most = floor if floor is not None and usual < FOREVER else FOREVER
    times = (usual, *others)
    return Forecast(
        expected=_time(min(usual, most)),
        soonest=_time(min(*times, most)),
        latest=_time(min(max(times) + effort.worst_lag, most)),
        later_than=courses[0].looked_until if usual == FOREVER else None,
        floor=floor,
    )


def _time(moment: float) -> float | None:
    return None if moment == FOREVER else moment
