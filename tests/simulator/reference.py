"""EASY backfilling on a pool in its textbook form: a second opinion that shares no code with the planner.

Mu'alem and Feitelson, IEEE TPDS 12(6), 2001: the first job that does not fit gets the earliest moment at which enough is
free (the shadow time); others may start that end before it, or that take only what is left over then (the extra).
"""

from scheduling.planning.plan import Plan, PlannedJob
from scheduling.snapshot import Allocation


def plan_by_the_book(snapshot, now):
    """First come, first served, with the backfilling that the rules name."""
    free = snapshot.nodes[0].cpus - sum(job.request.cpus for job in snapshot.running)
    ends = [(job.expected_end, job.request.cpus) for job in snapshot.running]
    line = sorted(snapshot.waiting, key=lambda job: (job.submitted_at, job.id))
    started = []
    while line and line[0].request.cpus <= free:
        job = line.pop(0)
        free -= job.request.cpus
        ends.append((now + job.max_runtime_seconds, job.request.cpus))
        started.append(job)
    if line and snapshot.rules.backfill != "none":
        started += backfilled(line, free, ends, now, shortest_first=snapshot.rules.backfill == "sjbf")
    placed = (PlannedJob(job.id, (Allocation(snapshot.nodes[0].name, job.request.amount),)) for job in started)
    return Plan(tuple(placed), (), ())


def backfilled(line, free, ends, now, *, shortest_first):
    first, *rest = line
    shadow, there = now, free
    for end, width in sorted(ends):
        if there >= first.request.cpus:
            break
        shadow, there = end, there + width
    extra = free + sum(width for end, width in ends if end <= shadow) - first.request.cpus
    for job in sorted(rest, key=lambda one: one.max_runtime_seconds) if shortest_first else rest:
        width, ends_before = job.request.cpus, now + job.max_runtime_seconds <= shadow
        if width <= free and (ends_before or width <= extra):
            free -= width
            extra -= 0 if ends_before else width
            yield job
