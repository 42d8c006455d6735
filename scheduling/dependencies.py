"""Chains of dependencies among the jobs that wait: whose root has failed, and which can come true as things are."""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter

from scheduling.reasons import HOLDERS_SHOWN
from scheduling.snapshot import WaitingJob

Roots = Mapping[int, tuple[int, ...]]


def failed_roots(waiting: Iterable[WaitingJob]) -> Roots:
    """For each waiting job that can never run: the jobs at the root of its dependencies that failed or were cancelled.

    The nearest first, at most so many as a reason names: a long chain with many dead roots costs no more than its length.
    """
    linked = sorted((job for job in waiting if job.broken or job.unmet), key=attrgetter("id"))
    roots = {job.id: job.broken[:HOLDERS_SHOWN] for job in linked if job.broken}
    if not roots:
        return {}
    dependents = _dependents(linked)
    left = deque(roots)
    while left:
        job_id = left.popleft()
        for dependent in dependents.get(job_id, ()):
            known = roots.get(dependent, ())
            more = tuple(dict.fromkeys((*known, *roots[job_id])))[:HOLDERS_SHOWN]
            if more != known:
                roots[dependent] = more
                left.append(dependent)
    return roots


def can_run(waiting: Iterable[WaitingJob], running: Iterable[int], able: Callable[[WaitingJob], bool]) -> set[int]:
    """The waiting jobs all of whose dependencies run, or can run in their turn. `able` says it of a job without any.

    Jobs that wait for each other in a ring can not, nor can who waits for a job that is nowhere to be seen.
    """
    jobs = {job.id: job for job in waiting if able(job)}
    placed = set(running)
    missing = {job.id: len(set(job.unmet) - placed) for job in jobs.values()}
    ready = deque(job_id for job_id, number in missing.items() if not number)
    dependents = _dependents(job for job in jobs.values() if job.unmet)
    found = set(ready)
    while ready:
        for dependent in dependents.get(ready.popleft(), ()):
            missing[dependent] -= 1
            if not missing[dependent]:
                found.add(dependent)
                ready.append(dependent)
    return found


def _dependents(jobs: Iterable[WaitingJob]) -> Mapping[int, list[int]]:
    """Who waits for whom, by the job that is waited for."""
    found: dict[int, list[int]] = defaultdict(list)
    for job in jobs:
        for needed in set(job.unmet):
            found[needed].append(job.id)
    return found
