"""Why a job may not have room that is there: kept for jobs before it, reserved for others, or where it failed before."""

from collections.abc import Sequence

from scheduling.nodes.profile import FOREVER
from scheduling.plan_result import PlannedReservation
from scheduling.planning.cycle_state import PassState
from scheduling.planning.precedence import Precedence
from scheduling.planning.scheduling_class import SchedulingClass, Waiting
from scheduling.planning.unschedulable import Explanations
from scheduling.policies import backfill_mode
from scheduling.reasons import HOLDERS_SHOWN, Reason, ReasonCode
from scheduling.resources import Request
from scheduling.rules import Backfill
from scheduling.snapshot import WaitingJob

LOOKED_AT = 64
"""Holders are looked for among so many of the reservations before a job, on so many nodes of each."""


class KeptRoom:
    """Asked of the jobs of a line in their order, at the end of a pass: `pass_by` says that one was asked about."""

    def __init__(
        self, work: PassState, explanations: Explanations, precedence: Precedence, waiting: Sequence[Waiting]
    ) -> None:
        self._work = work
        self._explanations = explanations
        self._precedence = precedence
        self._strict = backfill_mode(work.rules) is Backfill.NONE
        self._reserved = {one.job_id: one for one in work.book.reservations}
        self._jobs = {one.job.id: one.job for one in waiting if one.job.id in self._reserved} if self._reserved else {}
        self._on_some_node = any(one.shares for one in work.book.reservations)
        self._ahead: set[int] = set()  # those before it for whom room is kept anywhere
        self._before: list[PlannedReservation] = []  # what is kept for them on nodes
        self._has_room: dict[tuple[Request, frozenset[str]], bool] = {}
        self._room_until: dict[tuple[Request, frozenset[str]], float] = {}
        self._kept_from: dict[tuple[Request, frozenset[str]], float] = {}
        self._clear: dict[int, float] = {}  # by class that a limit refuses: no longer job of it finds its room kept

    def pass_by(self, job: WaitingJob) -> None:
        """What is reserved for this job, if it is one of those, stands before all that follow."""
        self._ahead.add(job.id)
        if self._reserved[job.id].shares:
            self._before.append(self._reserved[job.id])

    def why(self, job: WaitingJob, alike: SchedulingClass, *, certain: bool) -> tuple[Reason, ...]:
        """All that keeps the job from room that it would fit in now, inside its quotas and on nodes.

        `certain`: nothing else keeps it, so something of this does. Else it is tried what would, were all else gone.
        """
        if not (certain or (self._before if alike.over_limit else self._ahead) or alike.windows):
            return ()
        length = self._work.reach(job)
        if not certain and length <= self._clear.get(id(alike), 0.0):
            return ()
        crowded = self._in_quota(job, alike, length, certain=certain)
        return (*crowded, *self._on_nodes(job, alike, length, certain=certain and not crowded))

    def _in_quota(self, job: WaitingJob, alike: SchedulingClass, length: float, *, certain: bool) -> tuple[Reason, ...]:
        """Quotas and its queue would allow it now, but what is free there is kept for one before it."""
        if not alike.limits or alike.over_limit:
            return ()
        others = self._reserved.keys() - {job.id} if certain else self._ahead
        crowded = self._work.quotas.in_the_way(alike.limits, alike.count, length, others)
        if crowded is None:
            return ()
        limit, ahead = crowded
        holders = [self._reserved[job_id] for job_id in ahead]
        first = self._jobs[holders[0].job_id]
        why = self._precedence.why(first, job)
        return (self._explanations.behind(holders, first, why, strict=self._strict, limit=limit),)

    def _on_nodes(self, job: WaitingJob, alike: SchedulingClass, length: float, *, certain: bool) -> tuple[Reason, ...]:
        reserved = self._work.closed(self._work.reserved_for_others(job), self._work.limit(job))
        leaving = self._work.lifetimes.left_too_soon(job)
        closed = reserved | leaving | alike.avoided
        if not (certain or self._is_kept(alike, length, closed) or (leaving and self._models_keep(job, alike))):
            if alike.over_limit and not (alike.windows or self._strict):
                self._clear[id(alike)] = length
            return ()
        found = []
        if leaving and not (self._fits(alike, leaving) and self._work.within_models(alike, leaving)):
            found.append(self._work.lifetimes.reason(job))
        if reserved and not self._fits(alike, reserved):
            found.append(self._explanations.kept_for_others())
        if alike.avoided and not self._fits(alike, alike.avoided):
            found.append(self._explanations.elsewhere())
        if self._is_behind(job, alike, length, certain=certain and not found):
            found.append(self._behind(job, alike, length))
        if found:
            return tuple(found)
        parts = [
            *([self._work.lifetimes.reason(job)] if leaving else []),
            *([self._explanations.kept_for_others()] if reserved else []),
            *([self._explanations.elsewhere()] if alike.avoided else []),
            *([self._behind(job, alike, length)] if self._before else []),
        ]
        # Where none of them would be enough alone. Room that is kept for itself, or for who comes later, keeps nobody.
        return tuple(parts) or ((Reason(ReasonCode.AHEAD),) if certain else ())

    def _models_keep(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Whether of nodes with GPUs that its quotas by model have left those go too soon, or are kept, that have room."""
        if alike.choice is None or not self._work.within_models(alike):
            return False
        return self._work.find(job, alike, self._work.limit(job)) is None

    def _is_behind(self, job: WaitingJob, alike: SchedulingClass, length: float, *, certain: bool) -> bool:
        """Whether the reservations of those before it are enough to keep it."""
        if certain and not (alike.windows or alike.avoided):
            return self._on_some_node
        if not self._before:
            return False
        if job.id in self._reserved:  # its own is among what is kept: who else's counts can be told by the nodes only
            return certain and bool(self._holders(job, alike, length))
        return self._strict or self._is_kept(alike, length, frozenset())

    def _fits(self, alike: SchedulingClass, closed: frozenset[str]) -> bool:
        key = (alike.request, closed)
        if key not in self._has_room:
            self._has_room[key] = self._work.fits_beside(alike.request, closed)
        return self._has_room[key]

    def _is_kept(self, alike: SchedulingClass, length: float, closed: frozenset[str]) -> bool:
        """Whether it finds no place beside the reservations; a longer job finds none where a shorter one finds none."""
        if self._strict and self._before:
            return True
        key = (alike.request, closed)
        if length <= self._room_until.get(key, 0.0):
            return False
        if length >= self._kept_from.get(key, FOREVER):
            return True
        kept = not self._work.fits_beside(alike.request, closed, length)
        (self._kept_from if kept else self._room_until)[key] = length
        return kept

    def _behind(self, job: WaitingJob, alike: SchedulingClass, length: float) -> Reason:
        holders = self._holders(job, alike, length) or self._before[-1:]
        if holders:
            why = self._precedence.why(self._jobs[holders[0].job_id], job)
        else:  # those that the order by run time has taken first
            kept = self._work.book.reservations
            holders, why = [one for one in kept if one.shares and one.job_id != job.id], ""
        if not holders:
            return Reason(ReasonCode.AHEAD)
        return self._explanations.behind(holders, self._jobs[holders[0].job_id], why, strict=self._strict)

    def _holders(self, job: WaitingJob, alike: SchedulingClass, length: float) -> list[PlannedReservation]:
        """Those before it whose room it would run into, at most as many as are named."""
        found: list[PlannedReservation] = []
        end = self._work.now + length
        for one in self._before[:LOOKED_AT]:
            if one.job_id != job.id and one.start < end and self._overlap(alike, one):
                found.append(one)
                if len(found) == HOLDERS_SHOWN:
                    break
        return found

    def _overlap(self, alike: SchedulingClass, one: PlannedReservation) -> bool:
        free = self._work.free
        return any(free[share.node].fits(alike.request) for share in one.shares[:LOOKED_AT])
