"""What a waiting job could ask for instead, to start now: each offer is tried on a changed snapshot, by the plan itself."""

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from scheduling import memory_units
from scheduling.environments import is_about_environments
from scheduling.memory_units import MB_IN_A_GB
from scheduling.plan_result import Plan
from scheduling.planning.cycle_state import PassState
from scheduling.planning.eligibility import is_held
from scheduling.planning.floor.follow import keeps_floor
from scheduling.planning.plan import make_plan, starts_now
from scheduling.priorities import HIGHEST
from scheduling.reasons import gigabytes, quantity, spelt
from scheduling.run_times import limit_seconds
from scheduling.snapshot import Snapshot, WaitingJob, WorkloadView

LEAST_LIMIT_SECONDS = 60
"""A job of less than a minute is no offer."""
QUARTER = 900
"""Limits are offered in quarters of an hour, where the longest is not enough."""


@dataclass(frozen=True, slots=True)
class Change:
    """Another value of one field, of the job or of its workload, with which the job would start now. Named and counted as in the REST contract."""

    field: str
    before: Any
    after: Any
    sentence: str

    def as_data(self) -> dict[str, object]:
        return {"field": self.field, "from": self.before, "to": self.after, "sentence": self.sentence}


class Knob(NamedTuple):
    """One thing to change: its values, the smallest change first, and the job with one of them."""

    values: Sequence[Any]
    changed: Callable[[WaitingJob, Any], WaitingJob]
    told: Callable[[WaitingJob, Any], Change]
    in_order: bool = True  # if a value is enough, all after it are
    anew: bool = False  # it holds for a new submission, the last in line, as well


def smallest_changes(snapshot: Snapshot, now: float, job_id: int, plan: Plan | None = None) -> tuple[Change, ...]:
    """For each thing that can be changed alone, the smallest change that would start the job now.

    None for a job that starts anyway, or that waits for a time or for other jobs. `plan` saves making the snapshot's own.
    """
    job = next((one for one in snapshot.waiting if one.id == job_id), None)
    if job is None or is_held(job, now):
        return ()
    trial = WhatIf(snapshot, now, job, plan or make_plan(snapshot, now))
    return () if trial.starts_anyway else tuple(trial.suggestions())


class WhatIf:
    """Tries changed jobs in the plan of all that wait: whoever was left out might have been in the way."""

    def __init__(self, snapshot: Snapshot, now: float, job: WaitingJob, plan: Plan) -> None:
        self.starts_anyway = any(one.job_id == job.id for one in plan.placements)
        self._job = job
        self._snapshot = snapshot
        self._now = now
        self._plan = plan
        self._others = tuple(one for one in snapshot.waiting if one.id != job.id)
        self._free = PassState(snapshot, now)
        in_shadow = (
            snapshot.shadow.jobs if snapshot.shadow is not None else ()
        )  # those that have ended may still be there
        running = (one.id for one in snapshot.running)
        self._next_id = 1 + max(job.id, *(one.id for one in snapshot.waiting), *running, *in_shadow)

    def starts(self, job: WaitingJob, world: Snapshot | None = None) -> bool:
        """Whether the job would start now if it were so, and the world so. Who cannot start alone cannot beside others: that is found sooner."""
        if not self._free.fits_now(job.request):
            return False
        return all(self._is_placed(job, others, world or self._snapshot) for others in ((), self._others))

    def _is_placed(self, job: WaitingJob, others: tuple[WaitingJob, ...], world: Snapshot) -> bool:
        return starts_now(replace(world, waiting=(*others, job)), self._now, job.id)

    def suggestions(self) -> Iterator[Change]:
        job = self._job
        for knob in (*_sizes(job), *self._places(job)):
            value = self._smallest(knob)
            if value is not None:
                yield knob.told(job, value)
        yield from self._raised_workload()

    def _raised_workload(self) -> Iterator[Change]:
        """More jobs of its workload at once, as few as will do: those of it that stand before the job start then, too."""
        cap = next((one for one in self._snapshot.workloads if one.key == self._job.workload), None)
        if cap is None:
            return
        waiting = sum(one.workload == cap.key for one in self._snapshot.waiting)
        runs = sum(one.workload == cap.key for one in self._snapshot.running)
        raised = range(cap.max_running + 1, waiting + runs + 1)
        if raised and self._starts_with(cap, raised[-1]):
            least = raised[bisect_left(raised, True, key=lambda number: self._starts_with(cap, number))]
            sentence = (
                f"If workload {cap.name} ran {least} jobs at once instead of {cap.max_running}, it would start now."
            )
            yield Change("workload.max_running", cap.max_running, least, sentence)

    def _starts_with(self, cap: WorkloadView, at_once: int) -> bool:
        views = tuple(replace(one, max_running=at_once) if one == cap else one for one in self._snapshot.workloads)
        return self.starts(self._job, replace(self._snapshot, workloads=views))

    def _is_enough(self, knob: Knob, value: Any) -> bool:
        """Whatever is changed of a job, it loses the room that was promised to it (`jobs/control/actions.py`)."""
        changed = replace(knob.changed(self._job, value), promised=False)
        return self.starts(changed) and (not knob.anew or self.starts(self._anew(changed)))

    def _anew(self, job: WaitingJob) -> WaitingJob:
        """The job as it is when it is submitted again, the last in line, and nothing is known of earlier attempts."""
        fresh = replace(job, id=self._next_id, submitted_at=self._now, preemptions=0, saved_seconds=0.0)
        return replace(fresh, near=(), avoid=())

    def _smallest(self, knob: Knob) -> Any:
        """The first of the knob's values that is enough, or None."""
        if not knob.in_order:
            return next((value for value in knob.values if self._is_enough(knob, value)), None)
        if not knob.values or not self._is_enough(knob, knob.values[-1]):
            return None
        low, high = 0, len(knob.values) - 1
        while low < high:
            middle = (low + high) // 2
            if self._is_enough(knob, knob.values[middle]):
                high = middle
            else:
                low = middle + 1
        return knob.values[high]

    def _places(self, job: WaitingJob) -> Iterator[Knob]:
        """What changes its place in line, not what it gets."""
        if keeps_floor(self._snapshot):
            yield Knob([True] if not job.checkpointable else [], _saving, _checkpointable)
            yield Knob([True] if not job.preemptible else [], _giving_way, _preemptible)
        elif not job.preemptible and self._free.cohorts is not None:
            yield Knob([True], _giving_way, _borrowing)
        yield Knob(self._limits(job), _with_limit, _shorter)
        yield Knob(self._allowed_limits(job), _with_limit, self._within)
        ranks = {queue.name: queue.rank for queue in self._snapshot.queues}
        others = [queue.name for queue in self._snapshot.queues if queue.state == "open" and queue.name != job.queue]
        near = sorted(others, key=lambda name: (abs(ranks[name] - ranks[job.queue]), name))
        yield Knob(near, lambda one, name: replace(one, queue=name), _other_queue, in_order=False)
        yield Knob(range(job.priority + 1, HIGHEST + 1), lambda one, to: replace(one, priority=to), _more_urgent)

    def _limits(self, job: WaitingJob) -> Sequence[int]:
        """Only to end before something that is reserved helps, so no other lengths need trying."""
        starts = {one.start for one in self._plan.reservations if one.job_id != job.id}
        starts |= {one.start for one in self._snapshot.reservations}
        limit = limit_seconds(job, self._snapshot.rules)
        lengths = {int(start - self._now) for start in starts}
        return sorted((one for one in lengths if LEAST_LIMIT_SECONDS <= one < limit), reverse=True)

    def _allowed_limits(self, job: WaitingJob) -> Sequence[int]:
        """The longest limit with which its budgets would pay for it and it would not run too far ahead, if either keeps it."""
        alike, allowances = self._free.class_of(job), self._free.allowances
        longest = allowances.longest(job, alike)
        if longest is None:
            return []
        if not allowances.is_too_far_ahead(job, alike):
            return [longest]
        # Who starts before it in the same plan runs ahead too, so it may have to be less.
        return [longest, *range((longest - 1) // QUARTER * QUARTER, 0, -QUARTER)]

    def _within(self, job: WaitingJob, to: int) -> Change:
        is_ahead = self._free.allowances.is_too_far_ahead(job, self._free.class_of(job))
        return _limited(
            job, to, "it would run no further ahead than it may" if is_ahead else "its budgets can pay for that"
        )


def _sizes(job: WaitingJob) -> Iterator[Knob]:
    """What it asks for: fewer GPUs first, as they are what is scarce."""
    asks = job.request
    gigabytes_less = range((asks.memory_mb - 1) // MB_IN_A_GB * MB_IN_A_GB, 0, -MB_IN_A_GB)
    yield _size(range(asks.gpus - 1, 0, -1), "gpus", _fewer("gpus"))
    yield _size([""] if asks.gpu_model else [], "gpu_model", _any_model)
    of_environment = tuple(label for label in asks.labels if is_about_environments(label[0]))
    yield _size([of_environment] if asks.labels != of_environment else [], "labels", _any_labels)
    yield _size([0] if asks.gpu_memory_mb else [], "gpu_memory_mb", _any_gpu_memory)
    yield _size(gigabytes_less, "memory_mb", _less_memory)
    yield _size(range(asks.cpus - 1, 0, -1), "cpus", _fewer("cpus"))
    yield _size(range(asks.nodes - 1, 0, -1), "nodes", _fewer_nodes)


def _size(values: Sequence[Any], name: str, told: Callable[[WaitingJob, Any], Change]) -> Knob:
    return Knob(values, _asking(name), told, anew=True)


def _asking(name: str) -> Callable[[WaitingJob, Any], WaitingJob]:
    return lambda job, value: replace(job, request=replace(job.request, **{name: value}))


def _saving(job: WaitingJob, to: bool) -> WaitingJob:
    return replace(job, checkpointable=to)


def _giving_way(job: WaitingJob, to: bool) -> WaitingJob:
    return replace(job, preemptible=to)


def _with_limit(job: WaitingJob, seconds: int) -> WaitingJob:
    return replace(job, max_runtime_seconds=seconds)


def _fewer(name: str) -> Callable[[WaitingJob, Any], Change]:
    def told(job: WaitingJob, to: int) -> Change:
        before = getattr(job.request, name)
        sentence = f"With {quantity(name, to)} instead of {before} it would start now."
        return Change(f"resources.{name}", before, to, sentence)

    return told


def _fewer_nodes(job: WaitingJob, to: int) -> Change:
    sentence = f"On {to} {'node' if to == 1 else 'nodes'} instead of {job.request.nodes} it would start now."
    return Change("resources.nodes", job.request.nodes, to, sentence)


def _any_model(job: WaitingJob, _: str) -> Change:
    sentence = f"With GPUs of any model, not only {job.request.gpu_model}, it would start now."
    return Change("resources.gpu_model", job.request.gpu_model, "", sentence)


def _any_labels(job: WaitingJob, kept: tuple[tuple[str, str], ...]) -> Change:
    own = {name: value for name, value in job.request.labels if (name, value) not in kept}
    return Change("resources.node_labels", own, {}, "On nodes with any labels it would start now.")


def _any_gpu_memory(job: WaitingJob, _: int) -> Change:
    sentence = "With GPUs of any memory it would start now."
    return Change("resources.gpu_memory_gb", memory_units.gpu_gigabytes(job.request.gpu_memory_mb), 0, sentence)


def _less_memory(job: WaitingJob, to: int) -> Change:
    before = job.request.memory_mb
    sentence = f"With {gigabytes(to)} of memory instead of {gigabytes(before)} it would start now."
    return Change("resources.memory_gb", memory_units.gigabytes(before), to // MB_IN_A_GB, sentence)


def _shorter(job: WaitingJob, to: int) -> Change:
    return _limited(job, to, "it would end before others need the room")


def _limited(job: WaitingJob, to: int, why: str) -> Change:
    before = job.max_runtime_seconds
    instead = f" instead of {spelt(before)}" if before else ""
    return Change("max_runtime_seconds", before, to, f"With a limit of {spelt(to)}{instead} it would start now: {why}.")


def _checkpointable(job: WaitingJob, to: bool) -> Change:
    sentence = "If it saved its work as it goes (checkpointable), it would start now, before its turn."
    return Change("checkpointable", job.checkpointable, to, sentence)


def _preemptible(job: WaitingJob, to: bool) -> Change:
    sentence = "If it could be stopped for others (preemptible), it would start now, before its turn."
    return Change("preemptible", job.preemptible, to, sentence)


def _borrowing(job: WaitingJob, to: bool) -> Change:
    sentence = "If it could be stopped for others (preemptible), it would start now, on borrowed quota."
    return Change("preemptible", job.preemptible, to, sentence)


def _other_queue(job: WaitingJob, to: str) -> Change:
    return Change("queue", job.queue, to, f"In queue {to} it would start now.")


def _more_urgent(job: WaitingJob, to: int) -> Change:
    return Change("priority", job.priority, to, f"With priority {to} instead of {job.priority} it would start now.")
