"""One scheduling pass: a snapshot and the time go in; starts, stops, promises and reasons come out."""

from collections.abc import Iterator

from scheduling.decisions import Plan, PlannedJob, PlannedPreemption, PlannedReservation, Wait
from scheduling.explanation import Explanations
from scheduling.holds import job_holds
from scheduling.ordering import Line, in_order
from scheduling.planning import Alike, Planning, shortest_first
from scheduling.policies import backfill_mode
from scheduling.preemption import preempt
from scheduling.reasons import Reason
from scheduling.rules import Backfill
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
    started = _start_and_reserve(work, line)
    waiting = [job for job in line.jobs if job.id not in started]
    # 5. Preempt: who runs and should give way to the first of those that wait.
    preemptions = preempt(work, waiting, snapshot) if snapshot.rules.preemption.strategies else ()
    # 6. Explain by what is left after all placements, so that the next pass says the same if nothing changes.
    waits = _explain(work, waiting) if snapshot.rules.explain else ()
    return Plan(
        placements=tuple(work.placements),
        waits=waits,
        line=tuple(job.id for job in waiting),
        reservations=tuple(work.book.reservations),
        preemptions=preemptions,
        alerts=line.alerts,
    )


def _start_and_reserve(work: Planning, line: Line) -> set[int]:
    """Place what may start; the ids of the jobs that do."""
    mode = backfill_mode(work.rules)
    ahead = {job.id for job in line.jobs[: line.ahead]}
    for job in _candidates(work, line, mode):
        alike = work.alike(job)
        if job_holds(job, work.now) or work.start(job, alike) or alike.refused:
            continue
        if _may_reserve(work, job, mode, ahead) and work.reserve(job, alike) and mode is Backfill.NONE:
            break
    return {one.job_id for one in work.placements}


def _candidates(work: Planning, line: Line, mode: Backfill) -> Iterator[WaitingJob]:
    """The line; for shortest-job backfilling, what is left of it once the reservations are made goes by run time."""
    rest = iter(line.jobs)
    for job in rest:
        yield job
        if mode is Backfill.SJBF and len(work.book.reservations) >= work.rules.reserve_depth:
            break
    yield from shortest_first(rest, work)


def _may_reserve(work: Planning, job: WaitingJob, mode: Backfill, ahead: set[int]) -> bool:
    made = len(work.book.reservations)
    if mode is Backfill.CONSERVATIVE:
        return made < work.rules.conservative_depth
    if job.id in ahead:
        return made < work.rules.overdue_depth
    return made < (1 if mode is Backfill.NONE else work.rules.reserve_depth)


def _explain(work: Planning, waiting: list[WaitingJob]) -> tuple[Wait, ...]:
    explanations = Explanations(work.free)
    promised = {one.job_id for one in work.book.reservations}
    waits = []
    for job in waiting:
        reasons = (*job_holds(job, work.now), *work.reasons(work.alike(job), explanations))
        waits.append(Wait(job.id, reasons or (_behind(work, job, promised, explanations),)))
    return tuple(waits)


def _behind(work: Planning, job: WaitingJob, promised: set[int], explanations: Explanations) -> Reason:
    """Why a job waits that nothing else keeps: it would be in the way of others."""
    alike: Alike = work.alike(job)
    length = work.limit(job)
    if work.closed(alike.windows, length) and work.find_open(job, alike, length) is None:
        return explanations.kept_for_others()
    holders = [one for one in work.book.reservations if one.job_id != job.id and job.id not in promised]
    return explanations.behind(holders)
