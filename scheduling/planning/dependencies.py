"""What a job's dependencies wait for, which of them can no longer come true, and who ends or waits in vain with them."""

from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from scheduling.lifecycle import TERMINAL_STATES, JobState
from scheduling.reasons import HOLDERS_SHOWN
from scheduling.snapshot import WaitingJob

Roots = Mapping[int, tuple[int, ...]]


class After(StrEnum):
    """How the needed job has to end before its dependent may start."""

    OK = "ok"  # completed
    ANY = "any"  # ended, however
    FAILED = "failed"  # failed, or could not run because something that it needed had failed


class Standing(StrEnum):
    MET = "met"
    UNMET = "unmet"  # still to come
    DEAD = "dead"  # can no longer come true, unless the needed job is requeued


@dataclass(frozen=True, slots=True)
class Link:
    """One dependency of a job, and how the needed job stands.

    `for_failure`: it was cancelled because something that it needed had failed. `root`: the job because of which it was
    cancelled, if it was because of another one.
    """

    job: int
    needs: int
    after: After
    state: JobState
    for_failure: bool = False
    root: int | None = None

    @property
    def standing(self) -> Standing:
        if self.state not in TERMINAL_STATES:
            return Standing.UNMET
        failed = self.state == JobState.FAILED or self.for_failure
        met = {After.OK: self.state == JobState.COMPLETED, After.ANY: True, After.FAILED: failed}
        return Standing.MET if met[self.after] else Standing.DEAD


@dataclass(frozen=True, slots=True)
class Doom:
    """Why a job can no longer start: the dependency that died first, and the job at the root of it."""

    job: int
    link: Link
    root: int

    @property
    def failure(self) -> bool:
        """Whether a failure stands at the root, rather than somebody's word or a job that completed."""
        return self.link.state == JobState.FAILED or self.link.for_failure

    @property
    def sentence(self) -> str:
        needs = f"job {self.link.needs}"
        if self.link.after == After.FAILED:
            return f"It was to start once {needs} had failed, but {needs} {_ended(self.link.state)}."
        if self.root == self.link.needs:
            return f"It depends on {needs}, which {_ended(self.link.state)}."
        why = f"job {self.root} failed" if self.failure else f"of job {self.root}"
        return f"It depends on {needs}, which was cancelled because {why}."


def _ended(state: JobState) -> str:
    return f"was {state}" if state == JobState.CANCELLED else str(state)


def doomed(links: Iterable[Link], mortal: Collection[int]) -> dict[int, Doom]:
    """Those of the waiting jobs `mortal` that end because of a dead dependency, each after the one that it ends with.

    A job that ends so is cancelled, which decides over those that need it. Whoever is not `mortal` waits, and so do
    those behind it.
    """
    dooms: dict[int, Doom] = {}
    dependents: dict[int, list[Link]] = defaultdict(list)
    dead: deque[Link] = deque()
    for link in links:
        if link.needs in mortal:
            dependents[link.needs].append(link)
        elif link.standing == Standing.DEAD:
            dead.append(link)
    while dead:
        link = dead.popleft()
        if link.job in dooms or link.job not in mortal:
            continue
        doom = dooms[link.job] = Doom(link.job, link, link.needs if link.root is None else link.root)
        after_it = (_cancelled(one, doom) for one in dependents[link.job])
        dead.extend(one for one in after_it if one.standing == Standing.DEAD)
    return dooms


def doomed_again(dead: Iterable[Link], again: Collection[int]) -> dict[int, Doom]:
    """Which of the ended jobs `again` would end at once if they began anew, all together, by their links that are `dead` now."""
    dooms: dict[int, Doom] = {}
    dependents: dict[int, list[Link]] = defaultdict(list)
    for link in dead:
        dependents[link.needs].append(link)
    stays_dead = deque(needs for needs in dependents if needs not in again)
    while stays_dead:
        for link in dependents[stays_dead.popleft()]:
            if link.job in again and link.job not in dooms:
                dooms[link.job] = Doom(link.job, link, link.needs if link.root is None else link.root)
                stays_dead.append(link.job)
    return dooms


def _cancelled(link: Link, doom: Doom) -> Link:
    """The link once the job that it needs has been cancelled."""
    return Link(link.job, link.needs, link.after, JobState.CANCELLED, for_failure=doom.failure, root=doom.root)


def failed_roots(waiting: Iterable[WaitingJob]) -> Roots:
    """For each waiting job that can never run: the jobs at the root of its dependencies that ended otherwise than needed.

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


def unfailed_roots(waiting: Iterable[WaitingJob]) -> frozenset[int]:
    """Of these roots those that somebody needed to fail; what the others did is to fail, or to be cancelled."""
    return frozenset(
        needed for job in waiting if job.needs_failure for needed in job.broken if needed in job.needs_failure
    )


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
