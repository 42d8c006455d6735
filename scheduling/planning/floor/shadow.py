"""The shadow schedule: what plain backfilling does with the same jobs, played on from plan to plan.

It need not know when a job ends before the job itself has: at every moment each job has done at least as much work as its
shadow, so whoever ends there has ended here already.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import replace
from heapq import heapify, heappop, heappush
from typing import Self

from scheduling.nodes.feasibility import takes_jobs
from scheduling.plan_result import BrokenPromise, WhyBroken
from scheduling.planning.eligibility import is_held
from scheduling.planning.floor.admission import Admission, is_bound, queues_with_floor
from scheduling.planning.floor.obstacles import obstacle
from scheduling.planning.floor.progress import work_done
from scheduling.planning.one_pass import plan_pass
from scheduling.policies import POLICIES
from scheduling.policies.backfill import BackfillPolicy
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import (
    Allocation,
    NodeView,
    QueueView,
    Reservation,
    Shadow,
    ShadowJob,
    Snapshot,
    WaitingJob,
)
from scheduling.stages import in_line, started

MOST_AT_ONCE = 64
"""A line that is longer is no idle platform."""


class ShadowSchedule:
    """A shadow while it is played on: mutable, and made anew for each plan."""

    def __init__(self, snapshot: Snapshot, now: float) -> None:
        before = snapshot.shadow or _begun(snapshot, now)
        self.jobs = dict(before.jobs)
        self.nodes = dict(before.nodes)
        self.clock = before.clock
        self.longest_wait = before.longest_wait
        self.unkept: list[BrokenPromise] = []  # by this plan
        self._broken = Counter(before.broken)
        self._seen = before.seen
        self._snapshot = snapshot
        self._now = now
        self._restart_cost = snapshot.rules.preemption.restart_cost_seconds
        self._waiting = {job.id: job for job in snapshot.waiting}
        self._running = {job.id: job for job in snapshot.running}

    def play(self) -> Self:
        """Take over what has happened here, and play on to now, less the slack."""
        self._take_over_ends()
        self._take_over_states()
        self._admit_bound()
        self._advance()
        self._wait_for_the_late()
        return self

    def value(self) -> Shadow:
        broken = self._broken + Counter(one.why for one in self.unkept)
        return Shadow(self.clock, self.jobs, self.nodes, self.longest_wait, dict(broken), self._seen)

    def starts_at_once(self) -> frozenset[int]:
        """Within the slack: those that have not started there yet, if all of them fit at once beside all that runs there still.

        What is known to end there by now, as it has ended here, will be gone by then. So nobody waits there for any of them, and they need not wait here for the slack. Who could
        not start whatever the room waits for none of them either.
        """
        line = [job for job in self._line(self._now) if not is_held(job, self._now)] if self.clock < self._now else []
        if not line or len(line) > MOST_AT_ONCE:
            return frozenset()
        plan = plan_pass(self._world(line, gone_by=self._now), self._now)
        eligible = frozenset(plan.eligible)
        if any(job.id in eligible and self._starts_alone(job) for job in line):
            return frozenset()
        return frozenset([one.job_id for one in plan.placements])

    def _starts_alone(self, job: WaitingJob) -> bool:
        """Whether it would start there if nothing ran and nobody else waited."""
        return bool(plan_pass(replace(self._world([job]), running=()), self._now).placements)

    def world(self) -> Snapshot:
        """The shadow as a plan sees it at its clock. Who joins its line later, for the slack, may not start before."""
        line = [(_plain(job), max(job.submitted_at, job.waits_since)) for job in self._all_in_line()]
        return self._world(replace(job, not_before=came) if came > self.clock else job for job, came in line)

    def work_known(self) -> Mapping[int, float]:
        """All the work of those that are still there, and have ended here."""
        return {job_id: one.work_seconds for job_id, one in self.jobs.items() if one.work_seconds is not None}

    @property
    def slack(self) -> float:
        return self._snapshot.rules.floor_slack

    @property
    def lag(self) -> float:
        """By how much the shadow is behind the clock: promises may be later by this."""
        return self.slack * self.longest_wait

    def ends_known(self) -> Iterable[float]:
        """When those end in the shadow that run there still and have ended here."""
        return (end for one in self.jobs.values() if (end := _end(one)) is not None)

    def arrivals_to_come(self) -> Iterable[float]:
        """When those join its line that came here within the slack, whether they run already or wait."""
        return [job.waits_since for job in self._all_in_line() if job.waits_since > self.clock]

    def _take_over_ends(self) -> None:
        for one in self._snapshot.ended:
            known = self.jobs.get(one.job.id, ShadowJob(one.job))
            if one.given_up:
                self.jobs.pop(one.job.id, None)
                self._seen = None  # what it held there is free
            else:
                self.jobs[one.job.id] = replace(known, work_seconds=one.work_seconds)

    def _take_over_states(self) -> None:
        up = {node.name for node in self._snapshot.nodes if takes_jobs(node)}
        for job_id, one in list(self.jobs.items()):
            if one.work_seconds is not None or job_id in self._running:
                continue
            job = self._waiting.get(job_id)
            if job is None or one.started_at is None:
                del self.jobs[job_id]  # gone, or in line in both
                self._seen = self._seen if one.started_at is None else None
            elif is_held(job, self._now):
                self._give_up(BrokenPromise(job_id, WhyBroken.HELD))
            elif not up.issuperset(places(one, self.nodes)):
                self._give_up(BrokenPromise(job_id, WhyBroken.NODE, tuple(sorted(places(one, self.nodes)))))

    def _give_up(self, promise: BrokenPromise) -> None:
        """It cannot run where and when the shadow has it: there it stands in line again."""
        del self.jobs[promise.job_id]
        self.unkept.append(promise)

    def _admit_bound(self) -> None:
        """Whoever runs here to its end runs there too, from the moment on at which it began here."""
        floors, jobs = queues_with_floor(self._snapshot), self.jobs
        alone = [
            job
            for job in self._snapshot.running
            if is_bound(job, self._snapshot, floors)
            and ((known := jobs.get(job.id)) is None or known.started_at is None)
            and (not self.lag or (job.started_at is not None and job.started_at <= self.clock))
        ]
        if not alone:
            return
        admission = Admission(jobs, self._world(()), self._own_names(), self._running)
        for job in alone:
            admission.admit(job, self._now - work_done(job, self._now, self._restart_cost))
        self.unkept += admission.broken
        self._seen = None

    def _advance(self) -> None:
        moments, most = self._moments(), self._snapshot.rules.floor_moments
        while moments and moments[0] + self.lag <= self._now:
            moment = heappop(moments)
            while moments and (
                moments[0] == moment or (len(moments) > most and moments[0] + self.lag <= self._now)
            ):  # of many, some together; none that is still to come
                moment = heappop(moments)
            for end in self._play_at(moment):
                heappush(moments, end)
        self.clock = max(self.clock, self._now - self.lag)

    def _moments(self) -> list[float]:
        """When something happens in the shadow, as a heap: arrivals, ends, and now if what it looks at has changed."""
        moments = [max(end, self.clock) for end in self.ends_known()]
        moments += self.arrivals_to_come()
        if self._has_changed():
            moments.append(max(self.clock, self._now - self.lag))
        heapify(moments)
        return moments

    def _has_changed(self) -> bool:
        waiting = self._snapshot.waiting
        if self._seen is None or any(
            job.unmet or job.not_before or job.held or job.stopped or job.broken for job in waiting
        ):
            return True
        return self._seen != self._sight(self._line(self.clock))

    def _sight(self, line: Iterable[WaitingJob]) -> object:
        world, asked = self._snapshot, {job.id: _asks(job) for job in line}
        return (world.nodes, world.queues, world.projects, world.reservations, asked)

    def _line(self, moment: float) -> list[WaitingJob]:
        """Who waits in the shadow at that moment."""
        return [
            _plain(job) if job.promised or job.pinned else job
            for job in self._all_in_line()
            if job.submitted_at <= moment and job.waits_since <= moment
        ]

    def _all_in_line(self) -> Iterable[WaitingJob]:
        own = [one.job for one in self.jobs.values() if one.started_at is None]
        return (*own, *(job for job in self._snapshot.waiting if job.id not in self.jobs))

    def _play_at(self, moment: float) -> list[float]:
        """Ends, then one plan; returns the ends that it made known."""
        for job_id, one in list(self.jobs.items()):
            if _ends_by(one, moment):
                del self.jobs[job_id]
        line = {job.id: job for job in self._line(moment)}
        self.clock = moment
        known: list[float] = []
        for placed in plan_pass(self._world(line.values()), moment).placements if line else ():
            job = line.pop(placed.job_id)
            before = self.jobs.pop(job.id, ShadowJob(job))  # those that start later stand later
            self.jobs[job.id] = one = _started(before, moment, placed.shares)
            self.longest_wait = max(self.longest_wait, moment - job.waits_since)
            end = _end(one)
            known += [] if end is None else [end]
        self._seen = self._sight(line.values())
        return known

    def _world(self, line: Iterable[WaitingJob], gone_by: float | None = None) -> Snapshot:
        """`gone_by`: without those that will have ended there by then."""
        here, names = self._snapshot, self._own_names()
        return Snapshot(
            waiting=tuple(_renamed(job, names) for job in line) if names else tuple(line),
            running=tuple(
                [
                    one.run or started(one.job, one.shares, one.started_at)
                    for one in self.jobs.values()
                    if one.started_at is not None and not (gone_by is not None and _ends_by(one, gone_by))
                ]
            ),
            nodes=_own_nodes(here.nodes, names),
            queues=tuple(_backfilling(queue) for queue in here.queues),
            projects=here.projects,
            taken_at=self.clock,
            rules=shadow_rules(here.rules),
            reservations=tuple(_own_windows(here.reservations, names)),
            usage=here.usage,
            workloads=here.workloads,
        )

    def _own_names(self) -> Mapping[str, str]:
        """What the shadow calls each machine that stands for another one."""
        return {real: own for own, real in self.nodes.items()}

    def _wait_for_the_late(self) -> None:
        """Whoever is behind its shadow (it had to wait for others to stop, or lost its node): that waits for it."""
        tolerated = self._snapshot.rules.floor_tolerance_seconds
        for job_id, one in list(self.jobs.items()):
            behind = self.behind(one)
            if behind <= 0 or one.started_at is None:
                continue
            late = one.late_seconds + behind
            waits = self._waiting.get(job_id) if late > tolerated else None
            if waits is not None and (found := obstacle(_plain(waits), self._world(()), self._now)) is not None:
                self._give_up(BrokenPromise(job_id, *found))
                self._seen = None
                continue
            if one.late_seconds <= tolerated < late:
                self.unkept.append(BrokenPromise(job_id, WhyBroken.LATE))
            self.jobs[job_id] = replace(_started(one, one.started_at + behind, one.shares), late_seconds=late)

    def behind(self, one: ShadowJob) -> float:
        """By how much less work the job has done here than there."""
        if one.started_at is None or one.work_seconds is not None:
            return 0.0
        running = self._running.get(one.job.id)
        if running is None:
            done = self._waiting[one.job.id].saved_seconds
        else:
            done = work_done(running, self._now, self._restart_cost)
        return self.clock - one.started_at - done


def shadow_rules(rules: Rules) -> Rules:
    """Plain backfilling in place of what keeps the floor, and nobody gives way."""
    policy = BackfillPolicy.name if POLICIES[rules.policy].keeps_floor else rules.policy
    nobody = Preemption(min_runtime_seconds=rules.preemption.min_runtime_seconds)  # by that jobs start where nodes go
    return replace(rules, policy=policy, preemption=nobody, explain=False)


def _backfilling(queue: QueueView) -> QueueView:
    known = POLICIES.get(queue.policy)
    return replace(queue, policy=BackfillPolicy.name) if known is not None and known.keeps_floor else queue


def _begun(snapshot: Snapshot, now: float) -> Shadow:
    """The first shadow: all that runs here runs there, with the same work done."""
    cost = snapshot.rules.preemption.restart_cost_seconds
    jobs = {
        job.id: _started(ShadowJob(in_line(job, job.started_at or 0.0)), now - work_done(job, now, cost), job.shares)
        for job in snapshot.running
        if not job.leaving
    }
    return Shadow(now, jobs)


def _end(one: ShadowJob) -> float | None:
    """When it ends in the shadow, if that is known."""
    if one.started_at is None or one.work_seconds is None:
        return None
    return one.started_at + one.work_seconds


def _ends_by(one: ShadowJob, moment: float) -> bool:
    end = _end(one)
    return end is not None and end <= moment


def _started(one: ShadowJob, moment: float, shares: tuple[Allocation, ...]) -> ShadowJob:
    return replace(one, started_at=moment, shares=shares, run=started(one.job, shares, moment))


def _asks(job: WaitingJob) -> object:
    """What of a job in line people may change, or what comes true for it."""
    held = bool(job.held or job.stopped or job.unmet or job.broken)
    return (job.queue, job.priority, job.submitted_at, job.request, job.max_runtime_seconds, held)


def _plain(job: WaitingJob) -> WaitingJob:
    """Without what happened to it here."""
    return replace(job, promised=False, room=(), pinned=False)


def places(one: ShadowJob, nodes: Mapping[str, str]) -> tuple[str, ...]:
    """The machines that stand for the nodes of the job, in the order of its ranks."""
    return tuple(nodes.get(share.node, share.node) for share in one.shares)


def _own_windows(reservations: Iterable[Reservation], names: Mapping[str, str]) -> Iterable[Reservation]:
    return [replace(one, nodes=tuple(names.get(node, node) for node in one.nodes)) for one in reservations]


def _own_nodes(nodes: tuple[NodeView, ...], names: Mapping[str, str]) -> tuple[NodeView, ...]:
    if not names:
        return nodes
    return tuple(replace(node, name=names[node.name]) if node.name in names else node for node in nodes)


def _renamed(job: WaitingJob, names: Mapping[str, str]) -> WaitingJob:
    """With the shadow's names of the nodes that it would rather have, or avoids."""
    if not job.near and not job.avoid:
        return job
    near = tuple(names.get(node, node) for node in job.near)
    return replace(job, near=near, avoid=tuple(names.get(node, node) for node in job.avoid))
