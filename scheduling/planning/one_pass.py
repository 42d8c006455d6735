"""One scheduling pass: order, start, reserve, backfill, preempt, explain."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace

from scheduling.longest_wait import LongestWait
from scheduling.plan_result import PendingJob, Plan, new_wait
from scheduling.planning.coming import keep_coming, keep_promises
from scheduling.planning.cycle_state import PassState
from scheduling.planning.dependencies import failed_roots, unfailed_roots
from scheduling.planning.eligibility import is_held, job_holds, starts_nothing
from scheduling.planning.kept_room import KeptRoom
from scheduling.planning.ordering import PendingOrder, order_pending
from scheduling.planning.owners_first import OwnersFirst
from scheduling.planning.precedence import Precedence
from scheduling.planning.refusals import PutOffReasons, Refusals
from scheduling.planning.scheduling_class import Classified, SchedulingClass, Waiting, new_waiting
from scheduling.planning.stops.preemption import given_back, preempt
from scheduling.planning.turn_reasons import TurnReasons
from scheduling.planning.unschedulable import Explanations
from scheduling.policies import POLICIES, backfill_mode
from scheduling.reasons import Reason
from scheduling.rules import Backfill, Rules
from scheduling.run_times import shortest_first
from scheduling.snapshot import Snapshot, WaitingJob

NOBODY: AbstractSet[int] = frozenset()
NO_QUEUES: AbstractSet[str] = frozenset()


def plan_pass(
    snapshot: Snapshot, now: float, not_yet: AbstractSet[int] = NOBODY, unaided: AbstractSet[int] = NOBODY
) -> Plan:
    """The plan for this snapshot at this moment: those that are `not_yet` to start do not, and nobody is stopped for the `unaided`.

    Jobs start in the order of their queues' policies. The first that finds no room gets a reservation, by the limits of
    the jobs that run; those behind it start only where they do not delay it (EASY backfilling: Lifka 1995, Mu'alem and
    Feitelson 2001), and a job that has waited longer than the bounded wait has a reservation whatever its policy.
    """
    work = PassState(snapshot, now)
    # 1. Order, before anything is placed: room goes to who comes first, so nothing later may change who that is.
    line = order_pending(snapshot, now)
    # 2. Fit, 3. reserve, 4. backfill, in one walk down the line: each job starts, or gets a reservation, or waits behind
    # those that have. A reservation must be there before the next job is tried, as that may only start beside it.
    waiting = _start_and_reserve(work, line, snapshot, not_yet, unaided)
    # 5. Preempt after all placements: nobody is stopped for a job that starts anyway, nor for one that comes to room.
    preemptions = preempt(work, _aided(waiting, unaided), snapshot)
    # 6. Explain by what is left after all placements, so that the next pass says the same if nothing changes.
    waits = _explain(work, snapshot, line, waiting, not_yet) if snapshot.rules.explain else ()
    return Plan(
        placements=tuple(work.placements),
        waits=waits,
        line=tuple([one.job.id for one in waiting]),
        eligible=_eligible(work, snapshot, waiting),
        reservations=tuple(work.book.reservations),
        preemptions=preemptions,
        alerts=line.alerts,
        longest_wait=_longest_wait(work, snapshot),
        next_at=work.allowances.next_at,
    )


def is_placed(snapshot: Snapshot, now: float, job_id: int, not_yet: AbstractSet[int] = NOBODY) -> bool:
    """Whether `plan_pass` places this job, without the time for the rest: who stands behind it changes nothing for it.

    But for those that others were stopped for: the room that was made is dealt out among all of them. And for all where a
    shorter job may be taken first, or one that needs no borrowed quota.
    """
    work, line = PassState(snapshot, now), order_pending(snapshot, now)
    if backfill_mode(work.rules) is not Backfill.SJBF and not _may_yield(work, job_id, line):
        places = [job.id for job in line.jobs]
        behind = places.index(job_id) + 1
        helped = [job for job in line.jobs[behind:] if job.promised]
        line = replace(line, jobs=(*line.jobs[:behind], *helped))
    _start_and_reserve(work, line, snapshot, not_yet, NOBODY)
    return any(one.job_id == job_id for one in work.placements)


def _may_yield(work: PassState, job_id: int, line: PendingOrder) -> bool:
    """Whether the job may borrow quota: then those behind it may go first."""
    job = next(job for job in line.jobs if job.id == job_id)
    return work.cohorts is not None and work.cohorts.borrows(job.project)


def _aided(waiting: Sequence[Waiting], unaided: AbstractSet[int]) -> Sequence[Waiting]:
    return [one for one in waiting if one.job.id not in unaided] if unaided else waiting


def _eligible(work: PassState, snapshot: Snapshot, waiting: Sequence[Waiting]) -> tuple[int, ...]:
    """Who could start once there is room: no hold, no dependency, no time, no paused queue, no budget and nothing ahead keeps it."""
    shut = {queue.name for queue in snapshot.queues if starts_nothing(queue)}
    able = [one for one in waiting if not one.held and one.job.queue not in shut]
    if work.allowances.apply:
        able = [one for one in able if not work.allowances.refuse(one.job, one.alike)]
    return tuple([one.job.id for one in able])


def _start_and_reserve(
    work: PassState,
    line: PendingOrder,
    snapshot: Snapshot,
    not_yet: AbstractSet[int],
    unaided: AbstractSet[int],
) -> list[Waiting]:
    """Place what may start; the others, in line."""
    mode, waiting = backfill_mode(work.rules), list[Waiting]()
    # 1. Those that others were stopped for come before the line: what was freed for them is nobody else's.
    started = _settle_promises(work, line, snapshot, strict=mode is Backfill.NONE)
    # 2. Everybody else in turn, as far as somebody behind may still start.
    candidates = _candidates(work, line, mode, started)
    # Where nobody may be passed by, nobody who borrows is either.
    owners: OwnersFirst | None = None
    if work.cohorts is not None and mode is not Backfill.NONE:
        owners = OwnersFirst(work, line.ahead, lambda more: given_back(work, _aided(waiting, unaided), snapshot, more))
    promises = _Promises(work, line.ahead, mode)
    _start_in_turn(work, candidates, promises, not_yet, waiting, owners)
    if owners is not None:
        _start_in_turn(work, owners.later(), promises, not_yet, waiting)
    # 3. Whoever was not looked at waits too, and is told why like the others.
    waiting += [new_waiting((job, alike, is_held(job, work.now))) for job, alike in candidates]
    # 4. Shortest-job backfilling has looked at them by run time, lending by whose the quota is; what follows goes down the
    # line again.
    if mode is Backfill.SJBF or (owners is not None and owners.put_off):
        place = {job.id: number for number, job in enumerate(line.jobs)}
        waiting.sort(key=lambda one: place[one.job.id])
    return waiting


def _start_in_turn(
    work: PassState,
    candidates: Iterator[Classified],
    promises: "_Promises",
    not_yet: AbstractSet[int],
    waiting: list[Waiting],
    owners: OwnersFirst | None = None,
) -> None:
    """Start each that may, or promise it a start; to `waiting` go the others, up to the one behind whom nobody may start."""
    now, kept, yielding = work.now, work.kept, work.yielding  # looked up once, not for each of a hundred thousand
    behind = NOBODY if owners is None else owners.behind
    for job, alike in candidates:
        if owners is not None and (behind or not alike.hopeless) and owners.puts_off(job, alike):
            continue
        held = is_held(job, now) if job.unmet or job.broken or job.not_before or job.held or job.stopped else False
        if (not_yet and job.id in not_yet) or (yielding and job.id in yielding):
            waiting.append(new_waiting((job, alike, held)))
            continue
        # One of a class that was refused is not tried again: in a pass room and quota only shrink. Nor is one for which
        # what comes is kept: it starts there once others have left.
        if not (held or alike.hopeless or job.id in kept) and work.start(job, alike):
            continue
        waiting.append(new_waiting((job, alike, held)))
        # Nothing is kept for who is held: it could not use it.
        if not held and (not alike.settled or job.id in kept) and promises.stop_behind(job, alike):
            break


class _Promises:
    """To whom of those that cannot start now a start is promised: so many that find no room, and so many in each quota.

    Whoever only needs that others have gone who leave already takes no place: what comes is kept beside that.
    """

    def __init__(self, work: PassState, ahead: frozenset[int], mode: Backfill) -> None:
        self._work = work
        self._ahead = ahead
        self._mode = mode
        self._depth = _depth(work.rules, mode)
        self._left = self._depth
        self._left_ahead = work.rules.overdue_depth

    def stop_behind(self, job: WaitingJob, alike: SchedulingClass) -> bool:
        """Reserve for the job if it is its turn; whether nobody behind it may start at all."""
        if job.id not in self._work.kept and self._work.allowances.refuse(job, alike):
            self._keep_allowances(job, alike)
            return False
        if job.id in self._work.kept or keep_coming(self._work, job, alike):
            return self._mode is Backfill.NONE
        if alike.refused or self._work.would_delay_others_in_quota(job, alike):
            if not alike.passed_over:
                self._reserve_in_quota(job, alike)
            self._settle(alike, in_vain=alike.refused and alike.passed_over)
            return False
        if not (self._left > 0 or (self._left_ahead > 0 and job.id in self._ahead)):
            self._settle(alike, in_vain=alike.hopeless and (self._left_ahead <= 0 or not self._ahead))
            return False
        if not self._work.reserve(
            job, self._work.bound(job, alike)
        ):  # nor for any other of them, as no node could ever hold it; where nodes leave, a shorter one may do
            self._settle(alike, in_vain=alike.hopeless and not self._work.lifetimes)
            return False
        self._left -= 1
        self._left_ahead -= job.id in self._ahead
        return self._mode is Backfill.NONE

    def _keep_allowances(self, job: WaitingJob, alike: SchedulingClass) -> None:
        """What budgets pay and quotas let run ahead; whoever is overdue gets room on nodes from the same moment on."""
        if self._work.allowances.is_unpaid(job, alike):
            self._work.allowances.keep_later(job)
            return
        overdue = job.id in self._ahead and self._work.promises_in_quota < self._work.rules.overdue_depth
        self._work.keep_ahead(job, self._work.bound(job, alike), on_nodes=overdue)

    def _settle(self, alike: SchedulingClass, *, in_vain: bool) -> None:
        """Nothing is kept for any more of them, if that is in vain and what comes is not for them either."""
        alike.settled = in_vain and (self._work.coming is None or not alike.too_long_to_come)

    def _reserve_in_quota(self, job: WaitingJob, alike: SchedulingClass) -> None:
        """Those behind it that count under the limit that refuses it start only if they do not delay it.

        On nodes nothing is kept for it before the quota is free, or all would wait for it; only if it is overdue, so
        that it need not wait for the one after the other.
        """
        depth, with_room = self._depth, 0
        if self._mode is Backfill.CONSERVATIVE:
            with_room = self._left
        elif job.id in self._ahead:
            depth = max(depth, self._work.rules.overdue_depth)
            with_room = self._work.rules.overdue_depth
        bound = self._work.bound(job, alike)
        self._work.reserve_in_quota(job, bound, depth, with_room, strictly=self._mode is Backfill.NONE)
        alike.passed_over = bound.passed_over


def _settle_promises(work: PassState, line: PendingOrder, snapshot: Snapshot, *, strict: bool) -> set[int]:
    """The jobs that others were stopped for start or keep their room before anybody else; which of them started."""
    if work.coming is None:
        return set()
    promised = [job for job in line.jobs if job.promised]
    keep_promises(work, promised, snapshot.running, strict=strict)
    return {one.job_id for one in work.placements}


def _candidates(work: PassState, line: PendingOrder, mode: Backfill, started: AbstractSet[int]) -> Iterator[Classified]:
    """The line; for shortest-job backfilling, what is left of it once the reservations are made goes by run time."""
    left = [job for job in line.jobs if job.id not in started] if started else line.jobs
    if mode is not Backfill.SJBF:
        return zip(left, map(work.class_of, left), strict=True)
    return ((job, work.class_of(job)) for job in _shortest_after_reservations(work, iter(left)))


def _shortest_after_reservations(work: PassState, rest: Iterator[WaitingJob]) -> Iterator[WaitingJob]:
    for job in rest:
        yield job
        if work.promises >= work.rules.reserve_depth:
            break
    yield from shortest_first(rest, work.rules)


def _depth(rules: Rules, mode: Backfill) -> int:
    """How many of the jobs that find no room get a reservation."""
    if mode is Backfill.NONE:
        return 1
    return rules.conservative_depth if mode is Backfill.CONSERVATIVE else rules.reserve_depth


def _longest_wait(work: PassState, snapshot: Snapshot) -> LongestWait:
    """With those that start now, where their policies learn from it. Who was placed before did not only wait since it came."""
    longest, placed = snapshot.longest_wait, {one.job_id for one in work.placements}
    fallback = snapshot.rules.policy
    names = {queue.name: queue.policy if queue.policy in POLICIES else fallback for queue in snapshot.queues}
    learning = {name for name, policy in names.items() if POLICIES[policy].learns_bound} if placed else NO_QUEUES
    if learning:
        for job in snapshot.waiting:
            if job.id in placed and job.queue in learning and not (job.attempts or job.preemptions):
                longest = longest.with_start(work.now - job.waits_since, work.now)
    return longest


def _explain(
    work: PassState, snapshot: Snapshot, line: PendingOrder, waiting: Sequence[Waiting], not_yet: AbstractSet[int]
) -> tuple[PendingJob, ...]:
    explanations = Explanations(work.free, snapshot)
    held_back = [one.job for one in waiting if one.held]
    failed, unfailed = failed_roots(held_back), unfailed_roots(held_back)
    kept = KeptRoom(work, explanations, Precedence(snapshot, line), waiting)
    reserved = {one.job_id for one in work.book.reservations}
    refusals = Refusals(work, snapshot, explanations)
    turns, put_off = TurnReasons(work.rules, snapshot.running), PutOffReasons(work)
    waits = []
    for job, alike, held in waiting:
        reasons = alike.reasons if alike.reasons is not None else refusals.of(alike)
        reasons = _with_lifetime(reasons, work, job, alike)
        if job.pinned and job.id in work.kept:
            reasons = (turns.due(job, work.kept[job.id]), *reasons)
        missing = put_off.of(job, alike) if work.allowances.apply else ()
        if alike.minds_kept:
            if held or reasons or missing:
                reasons = (*reasons, *kept.why(job, alike, certain=False))
            else:
                reasons = _where_nothing_else_is(work, kept, turns, not_yet, (job, alike))
        if missing:
            reasons = (*missing, *reasons)
        if held:
            reasons = (*job_holds(job, work.now, failed, unfailed), *reasons)
        waits.append(new_wait((job.id, reasons)))
        if job.id in reserved:
            kept.pass_by(job)
    return tuple(waits)


def _with_lifetime(
    reasons: tuple[Reason, ...], work: PassState, job: WaitingJob, alike: SchedulingClass
) -> tuple[Reason, ...]:
    """First of all that no node stays for long enough, whoever holds them now. Where one has room, it is told below."""
    if alike.minds_kept or not work.lifetimes.too_short_for(job):
        return reasons
    return (work.lifetimes.reason(job), *reasons)


def _where_nothing_else_is(
    work: PassState, kept: KeptRoom, turns: TurnReasons, not_yet: AbstractSet[int], one: Classified
) -> tuple[Reason, ...]:
    """Of a job that would fit now: its turn has not come, it yields, or there is what is kept for others."""
    job, alike = one
    too_soon, owners = job.id in not_yet, work.yielding.get(job.id, ())
    reasons = kept.why(job, alike, certain=not (too_soon or owners))
    if too_soon:
        reasons = (*reasons, turns.not_yet(job))
    return (*reasons, turns.yields(owners)) if owners else reasons
