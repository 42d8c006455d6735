"""What will be free under one quota, or one queue's limit, from now on: a step for each moment at which a job ends."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from scheduling.nodes.profile import FOREVER
from scheduling.resources import Resources
from scheduling.sharing.associations import Association, ProviderCap, WorkloadCap
from scheduling.sharing.cohorts import RESOURCES, Cohorts
from scheduling.sharing.ledger import Check
from scheduling.sharing.model_quotas import ModelQuota
from scheduling.sharing.quotas import ceilings, enforced
from scheduling.snapshot import ProjectView, QueueView


class Count(NamedTuple):
    """What jobs count for: GPUs, CPUs, memory in MB, and how many they are. As a limit, FOREVER is none."""

    gpus: float
    cpus: float
    memory_mb: float
    running_jobs: float

    def plus(self, other: "Count", times: int = 1) -> "Count":
        return Count(
            self.gpus + times * other.gpus,
            self.cpus + times * other.cpus,
            self.memory_mb + times * other.memory_mb,
            self.running_jobs + times * other.running_jobs,
        )

    def fits(self, free: "Count") -> bool:
        """Only what it counts for matters: a job without GPUs may run beside too many."""
        return (
            (not self.gpus or self.gpus <= free.gpus)
            and (not self.cpus or self.cpus <= free.cpus)
            and (not self.memory_mb or self.memory_mb <= free.memory_mb)
            and (not self.running_jobs or self.running_jobs <= free.running_jobs)
        )


NOTHING = Count(0, 0, 0, 0)
UNLIMITED = Count(FOREVER, FOREVER, FOREVER, FOREVER)
End: TypeAlias = tuple[float, Count]
"""When a job that counts under the limit ends at the latest, and what it counts for."""
Key: TypeAlias = tuple[str, str, str]
Part: TypeAlias = Association | WorkloadCap | ProviderCap | ModelQuota
"""What one user may hold of a project or in a queue; what runs of a workload; what another system allows; GPUs of one model in a project."""


def of_gpus(number: int) -> Count:
    return Count(number, 0, 0, 0)


def count_of(amount: Resources, jobs: int = 1) -> Count:
    return Count(amount.gpus, amount.cpus, amount.memory_mb, jobs)


@dataclass(frozen=True, slots=True)
class Limit:
    """A project's quota, what the projects below one have together, or what a queue runs, or a user holds, at once."""

    kind: str  # project, cohort, part (one user's, a workload's, or GPUs of one model) or queue
    name: str
    most: Count
    withheld: Count = field(default=NOTHING, compare=False)  # what such a job must leave of it: what is borrowed
    resource: str = ""  # of a cohort: what is shared
    origin: str = field(default="", compare=False)  # the nearest project of such a job that has a quota
    part: Part | None = field(default=None, compare=False)
    checks: tuple[Check, ...] = field(default=(), compare=False)  # of what is in a tree: less what is withheld
    key: Key = field(init=False, compare=False)  # the same for all jobs that count under it

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", (self.kind, self.name, self.resource))

    @property
    def in_words(self) -> str:
        if self.kind == COHORT:
            return f"What the projects below {self.name} have together"
        if self.part is not None:
            return self.part.holder
        return f"The quota of project {self.name}" if self.kind == PROJECT else f"The limit of queue {self.name}"

    def asked(self, count: Count) -> Count:
        """How much has to be free for a job that counts for so much."""
        if self.withheld is NOTHING:
            return count
        return Count(*(own + left if own else own for own, left in zip(count, self.withheld, strict=True)))


PROJECT, COHORT, PART, QUEUE = "project", "cohort", "part", "queue"


def limits_over(
    chain: Sequence[ProjectView], queue: QueueView, cohorts: Cohorts | None = None, *, firm: bool = False
) -> tuple[Limit, ...]:
    """All that a job of this project and queue counts under, the nearest quota first."""
    return (*limits_of_projects(chain, cohorts, firm=firm), *limits_of_queue(queue))


def limits_of_projects(chain: Sequence[ProjectView], cohorts: Cohorts | None, *, firm: bool) -> tuple[Limit, ...]:
    """The same without the queue's."""
    limits = [limit for project in chain if (limit := _quota(project, chain[0].slug, firm=firm)).most != UNLIMITED]
    if cohorts is not None and chain:
        limits += [
            Limit(COHORT, parent, _count({name: pool}), resource=name, origin=chain[0].slug)
            for parent, pools in cohorts.pools_over(chain[0].slug)
            for name, pool in pools.items()
        ]
    return tuple(limits)


def limits_of_queue(queue: QueueView) -> tuple[Limit, ...]:
    if queue.max_running is None:
        return ()
    return (Limit(QUEUE, queue.name, UNLIMITED._replace(running_jobs=queue.max_running)),)


def limit_of(part: Part) -> Limit:
    """The limit of what one user may hold; or of a model, once it is known that a job gets GPUs of it."""
    return _quota(part, "", firm=False)


def limits_of(parts: Iterable[Part]) -> tuple[Limit, ...]:
    """All that a job counts under beside those of projects and its queue."""
    return tuple([limit for part in parts if (limit := limit_of(part)).most != UNLIMITED])


def _quota(project: ProjectView, origin: str, *, firm: bool) -> Limit:
    limits, own = ceilings(project), enforced(project)
    if limits is None or own is None:
        return Limit(PROJECT, project.slug, UNLIMITED)
    most = _count({name: size for name in Count._fields if (size := getattr(limits, name)) is not None})
    if isinstance(project, Association | WorkloadCap | ProviderCap | ModelQuota):
        return Limit(PART, project.slug, most, part=project)
    if not firm or limits is own:
        return Limit(PROJECT, project.slug, most, origin=origin)
    loans = {
        name: getattr(limits, name) - (getattr(own, name) or 0)
        for name in RESOURCES
        if getattr(limits, name) is not None
    }
    return Limit(PROJECT, project.slug, most, NOTHING._replace(**loans), origin=origin)


def _count(most: Mapping[str, float]) -> Count:
    return UNLIMITED._replace(**most)


class QuotaProfile:
    """The steps of one limit. The last step lasts for ever. What is free may be less than nothing: a quota can shrink.

    To `started` come those that start now: they are counted once somebody asks, all that end together at once.
    """

    __slots__ = ("_free", "_now", "_times", "started")

    def __init__(self, free: Count, now: float, ends: Iterable[End]) -> None:
        self._now = now
        self.started: list[End] = []
        self._times = [now]
        self._free = [list(free)]
        for end, count in sorted(ends):
            if end > self._times[-1]:
                self._times.append(end)
                self._free.append(self._free[-1].copy())
            _add(self._free[-1], count, 1)

    def never_allows(self, count: Count) -> bool:
        """Whether so much is not even free once all have ended; who started since somebody asked, does."""
        return not _fits(count, self._free[-1])

    def earliest(self, count: Count, length: float, after: float) -> float:
        """The first moment, not before `after`, from which so much is free for `length` seconds; FOREVER if there is none."""
        start = after
        while (late := self._first_obstacle(count, start, start + length)) > start:
            if late == FOREVER:
                return FOREVER
            start = late
        return start

    def allows(self, count: Count, length: float, at: float) -> bool:
        """Whether so much is free for `length` seconds from then on."""
        return self._first_obstacle(count, at, at + length) == at

    def _first_obstacle(self, count: Count, start: float, end: float) -> float:
        """When the last step in [start, end) with too little is over; `start` itself if there is none."""
        self._settle()
        last = len(self._times) - 1
        first = max(0, bisect_right(self._times, start) - 1)
        for at in range(max(first, bisect_left(self._times, end) - 1), first - 1, -1):
            if not _fits(count, self._free[at]):
                return self._times[at + 1] if at < last else FOREVER
        return start

    def allocate(self, start: float, end: float, count: Count) -> None:
        """From `start` to `end` so much less is free."""
        self._settle()
        self._take(start, end, count)

    def _settle(self) -> None:
        if not self.started:
            return
        together: dict[float, list[float]] = {}
        for (end, count), times in Counter(self.started).items():  # most are alike
            _add(together.setdefault(end, [0, 0, 0, 0]), count, times)
        self.started.clear()
        for end, held in together.items():
            self._take(self._now, end, held)

    def _take(self, start: float, end: float, count: Sequence[float]) -> None:
        for moment in (start, end):
            self._cut(moment)
        for at in range(bisect_left(self._times, start), bisect_left(self._times, end)):
            _add(self._free[at], count, -1)

    def _cut(self, moment: float) -> None:
        """Makes `moment` the beginning of a step."""
        at = bisect_left(self._times, moment)
        if moment != FOREVER and (at == len(self._times) or self._times[at] != moment) and at > 0:
            self._times.insert(at, moment)
            self._free.insert(at, self._free[at - 1].copy())


def _fits(count: Count, free: list[float]) -> bool:
    for asked, left in zip(count, free, strict=True):  # noqa: SIM110 - asked for each step, a generator takes twice as long
        if asked and asked > left:
            return False
    return True


def _add(free: list[float], count: Sequence[float], times: int) -> None:
    for kind, amount in enumerate(count):
        if amount:
            free[kind] += times * amount
