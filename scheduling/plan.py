"""One scheduling pass: a snapshot and the time go in; starts, stops, promises and reasons come out."""

from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet

from scheduling.coming import keep_coming, keep_promises
from scheduling.decisions import Plan, PlannedJob, PlannedPreemption, PlannedReservation, Wait, new_wait
from scheduling.explanation import Explanations
from scheduling.holds import is_held, job_holds
from scheduling.ordering import Line, in_order
from scheduling.planning import Alike, Planning, Waiting
from scheduling.policies import backfill_mode
from scheduling.preemption import preempt
from scheduling.reasons import Reason, ReasonCode
from scheduling.rules import Backfill, Rules
from scheduling.run_times import shortest_first
from scheduling.snapshot import Snapshot, WaitingJob

__all__ = ["Plan", "PlannedJob", "PlannedPreemption", "PlannedReservation", "Wait", "make_plan"]


def make_plan(snapshot: Snapshot, now: float) -> Plan:
    """The plan for this snapshot at this moment; the same two always give the same plan.

    Jobs start in the order of their queues' policies. The first that finds no room gets a reservation, by the limits of
    the jobs that run; those behind it start only where they do not delay it (EASY backfilling: Lifka 1995, Mu'alem and
    Feitelson 2001), and a job that has waited longer than the bounded wait has a reservation whatever its policy.
    """
    work = Planning(snapshot, now)
    # 1. Order: who is looked at first.
    line = in_order(snapshot, now)
    # 2. Fit, 3. reserve, 4. backfill: each job in turn starts, or gets a reservation, or waits behind those that have.
    waiting = _start_and_reserve(work, line, snapshot)
    # 5. Preempt: who runs and should give way to the first of those that wait.
    preemptions = preempt(work, waiting, snapshot) if snapshot.rules.preemption.strategies else ()
    # 6. Explain by what is left after all placements, so that the next pass says the same if nothing changes.
    waits = _explain(work, waiting) if snapshot.rules.explain else ()
    return Plan(
        placements=tuple(work.placements),
        waits=waits,
        line=tuple([job.id for job, _, _ in waiting]),
        reservations=tuple(work.book.reservations),
        preemptions=preemptions,
        alerts=line.alerts,
    )


def _start_and_reserve(work: Planning, line: Line, snapshot: Snapshot) -> list[Waiting]:
    """Place what may start; the others, in line."""
    mode = backfill_mode(work.rules)
    strict = mode is Backfill.NONE
    settled = _settle_promises(work, line, snapshot, strict=strict)
    reserving = _Reserving(work, line, _depth(work.rules, mode))
    waiting: list[Waiting] = []
    alike_of, now, kept = work.alike, work.now, work.kept
    for job in (candidates := _candidates(work, line, mode, settled)):
        alike = alike_of(job)
        held = is_held(job, now) if job.unmet or job.broken or job.not_before or job.held else False
        if not (held or alike.hopeless or job.id in kept) and work.start(job, alike):
            continue
        waiting.append((job, alike, held))
        if not held and reserving.reserve(job, alike) and strict:
            break
    waiting += [(job, work.alike(job), is_held(job, work.now)) for job in candidates]
    if mode is Backfill.SJBF:
        place = {job.id: number for number, job in enumerate(line.jobs)}
        waiting.sort(key=lambda one: place[one[0].id])
    return waiting


class _Reserving:
    """Who gets a reservation of those that find no room: `depth` of the first, and those that go ahead of every policy.

    For whom it is enough that others have gone who leave already, what comes is kept beside that.
    """

    def __init__(self, work: Planning, line: Line, depth: int) -> None:
        self._work = work
        self._depth = depth
        self._left = depth > 0
        self._ahead = {job.id for job in line.jobs[: line.ahead]}

    def reserve(self, job: WaitingJob, alike: Alike) -> bool:
        """Whether something is kept for the job from now on."""
        work = self._work
        if job.id in work.kept or keep_coming(work, job, alike):
            return True
        if alike.refused or not (self._left or (job.id in self._ahead and _overdue_promises_left(work))):
            return False
        reserved = work.reserve(job, alike)
        self._left = work.reserved < self._depth
        return reserved


def _settle_promises(work: Planning, line: Line, snapshot: Snapshot, *, strict: bool) -> set[int]:
    """The jobs that others were stopped for start or keep their room before anybody else; which of them started."""
    if work.coming is None:
        return set()
    promised = [job for job in line.jobs[: line.ahead] if job.promised]
    keep_promises(work, promised, snapshot.running, strict=strict)
    return {one.job_id for one in work.placements}


def _candidates(work: Planning, line: Line, mode: Backfill, settled: AbstractSet[int]) -> Iterator[WaitingJob]:
    """The line; for shortest-job backfilling, what is left of it once the reservations are made goes by run time."""
    left = iter([job for job in line.jobs if job.id not in settled] if settled else line.jobs)
    return left if mode is not Backfill.SJBF else _shortest_after_reservations(work, left)


def _shortest_after_reservations(work: Planning, rest: Iterator[WaitingJob]) -> Iterator[WaitingJob]:
    for job in rest:
        yield job
        if work.reserved >= work.rules.reserve_depth:
            break
    yield from shortest_first(rest, work.rules)


def _depth(rules: Rules, mode: Backfill) -> int:
    """How many of the jobs that find no room get a reservation."""
    if mode is Backfill.NONE:
        return 1
    return rules.conservative_depth if mode is Backfill.CONSERVATIVE else rules.reserve_depth


def _overdue_promises_left(work: Planning) -> bool:
    """Whether the next job that goes ahead of every policy gets a reservation, even if others would not."""
    return work.reserved < work.rules.overdue_depth


def _explain(work: Planning, waiting: Sequence[Waiting]) -> tuple[Wait, ...]:
    explanations = Explanations(work.free)
    promised = {one.job_id for one in work.book.reservations}
    waits = []
    for job, alike, held in waiting:
        reasons = alike.reasons if alike.reasons is not None else work.reasons(alike, explanations)
        if held:
            reasons = (*job_holds(job, work.now), *reasons)
        waits.append(new_wait((job.id, reasons or (_behind(work, job, alike, promised, explanations),))))
    return tuple(waits)


def _behind(work: Planning, job: WaitingJob, alike: Alike, promised: set[int], explanations: Explanations) -> Reason:
    """Why a job waits that nothing else keeps: it would be in the way of others."""
    length = work.limit(job)
    if work.closed(alike.windows, length) and work.find_open(job, alike, length) is None:
        return Reason(ReasonCode.ELSEWHERE) if job.avoid else explanations.kept_for_others()
    holders = [one for one in work.book.reservations if one.job_id != job.id and job.id not in promised]
    return explanations.behind(holders)
