"""One scheduling pass: a snapshot and the time go in; starts, stops, promises and reasons come out."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from scheduling.decisions import Plan, PlannedJob, PlannedPreemption, PlannedReservation, Wait, new_wait
from scheduling.dependencies import failed_roots
from scheduling.explanation import Explanations
from scheduling.holds import is_held, job_holds, starts_nothing
from scheduling.kept_room import KeptRoom
from scheduling.ordering import Line, in_order
from scheduling.planning import Planning, Waiting
from scheduling.policies import backfill_mode
from scheduling.precedence import Precedence
from scheduling.preemption import preempt
from scheduling.rules import Backfill, Rules
from scheduling.run_times import shortest_first
from scheduling.snapshot import Snapshot, WaitingJob

__all__ = ["Plan", "PlannedJob", "PlannedPreemption", "PlannedReservation", "Wait", "make_plan", "starts_now"]


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
    waiting = _start_and_reserve(work, line)
    # 5. Preempt: who runs and should give way to the first of those that wait.
    preemptions = preempt(work, waiting, snapshot) if snapshot.rules.preemption.strategies else ()
    # 6. Explain by what is left after all placements, so that the next pass says the same if nothing changes.
    waits = _explain(work, snapshot, line, waiting) if snapshot.rules.explain else ()
    return Plan(
        placements=tuple(work.placements),
        waits=waits,
        line=tuple([job.id for job, _, _ in waiting]),
        eligible=_eligible(snapshot, waiting),
        reservations=tuple(work.book.reservations),
        preemptions=preemptions,
        alerts=line.alerts,
    )


def starts_now(snapshot: Snapshot, now: float, job_id: int) -> bool:
    """Whether `make_plan` places this job, without the time for the rest: who stands behind it changes nothing for it."""
    work, line = Planning(snapshot, now), in_order(snapshot, now)
    if backfill_mode(work.rules) is not Backfill.SJBF:  # there a shorter job may be taken first
        places = [job.id for job in line.jobs]
        line = replace(line, jobs=line.jobs[: places.index(job_id) + 1])
    _start_and_reserve(work, line)
    return any(one.job_id == job_id for one in work.placements)


def _eligible(snapshot: Snapshot, waiting: Sequence[Waiting]) -> tuple[int, ...]:
    """Who could start once there is room: no hold, no dependency, no time and no paused queue keeps it."""
    shut = {queue.name for queue in snapshot.queues if starts_nothing(queue)}
    return tuple([job.id for job, _, held in waiting if not held and job.queue not in shut])


def _start_and_reserve(work: Planning, line: Line) -> list[Waiting]:
    """Place what may start; the others, in line."""
    mode = backfill_mode(work.rules)
    ahead = {job.id for job in line.jobs[: line.ahead]}
    waiting: list[Waiting] = []
    depth = _depth(work.rules, mode)
    promises, promises_left = work.book.reservations, depth > 0
    alike_of, now = work.alike, work.now
    for job in (candidates := _candidates(work, line, mode)):
        alike = alike_of(job)
        held = is_held(job, now) if job.unmet or job.broken or job.not_before or job.held else False
        if not held and not alike.hopeless and work.start(job, alike):
            continue
        waiting.append((job, alike, held))
        if held or alike.refused or not (promises_left or (job.id in ahead and _overdue_promises_left(work))):
            continue
        if work.reserve(job, alike):
            promises_left = len(promises) < depth
            if mode is Backfill.NONE:
                break
    waiting += [(job, work.alike(job), is_held(job, work.now)) for job in candidates]
    if mode is Backfill.SJBF:
        place = {job.id: number for number, job in enumerate(line.jobs)}
        waiting.sort(key=lambda one: place[one[0].id])
    return waiting


def _candidates(work: Planning, line: Line, mode: Backfill) -> Iterator[WaitingJob]:
    """The line; for shortest-job backfilling, what is left of it once the reservations are made goes by run time."""
    if mode is not Backfill.SJBF:
        return iter(line.jobs)
    return _shortest_after_reservations(work, line)


def _shortest_after_reservations(work: Planning, line: Line) -> Iterator[WaitingJob]:
    rest = iter(line.jobs)
    for job in rest:
        yield job
        if len(work.book.reservations) >= work.rules.reserve_depth:
            break
    yield from shortest_first(rest, work.rules)


def _depth(rules: Rules, mode: Backfill) -> int:
    """How many of the jobs that find no room get a reservation."""
    if mode is Backfill.NONE:
        return 1
    return rules.conservative_depth if mode is Backfill.CONSERVATIVE else rules.reserve_depth


def _overdue_promises_left(work: Planning) -> bool:
    """Whether the next job that goes ahead of every policy gets a reservation, even if others would not."""
    return len(work.book.reservations) < work.rules.overdue_depth


def _explain(work: Planning, snapshot: Snapshot, line: Line, waiting: Sequence[Waiting]) -> tuple[Wait, ...]:
    explanations = Explanations(work.free)
    failed = failed_roots(job for job, _, held in waiting if held)
    kept = KeptRoom(work, explanations, Precedence(snapshot, line), waiting)
    waits = []
    for job, alike, held in waiting:
        reasons = alike.reasons if alike.reasons is not None else work.reasons(alike, explanations)
        if alike.fits:
            reasons = (*reasons, *kept.why(job, alike, certain=not (held or reasons)))
        if held:
            reasons = (*job_holds(job, work.now, failed), *reasons)
        waits.append(new_wait((job.id, reasons)))
        kept.pass_by(job)
    return tuple(waits)
