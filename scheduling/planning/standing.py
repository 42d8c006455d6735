"""By what age, priority and queue each waiting job stands in line: its own, or those of the jobs that wait for it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from scheduling.snapshot import QueueView, Snapshot, WaitingJob


def as_they_stand(snapshot: Snapshot) -> tuple[WaitingJob, ...]:
    """The waiting jobs with these in place of their own; the very same ones if that makes no difference."""
    waiting = snapshot.waiting
    special = [job for job in waiting if job.unmet or job.eligible_at or job.not_before]
    if not special:
        return waiting
    urged = urged_by_dependents(waiting, {queue.name: queue for queue in snapshot.queues})
    aged = [job for job in special if job.waits_since > job.submitted_at]
    if not urged and not aged:
        return waiting
    late = {job.id: job.waits_since for job in aged}
    return tuple(
        replace(urged.get(job.id, job), submitted_at=late.get(job.id, job.submitted_at))
        if job.id in urged or job.id in late
        else job
        for job in waiting
    )


def urged_by_dependents(waiting: Sequence[WaitingJob], queues: Mapping[str, QueueView]) -> Mapping[int, WaitingJob]:
    """Jobs that one of higher priority or queue rank waits for, over however many others: with that priority and queue.

    Priority inheritance (Sha, Rajkumar and Lehoczky 1990): otherwise an urgent job waits as long as its least urgent
    dependency. Who is held back, or can never start, urges nobody.
    """
    asking = [job for job in waiting if job.unmet and not (job.held or job.stopped or job.broken)]
    if not asking:
        return {}
    by_id = {job.id: job for job in waiting}
    urged: dict[int, WaitingJob] = {}
    while asking:
        one = asking.pop()
        one = urged.get(one.id, one)
        for needed in [by_id[job_id] for job_id in one.unmet if job_id in by_id]:
            before = urged.get(needed.id, needed)
            after = _urged(before, one, queues)
            if after is not before:
                urged[needed.id] = after
                if needed.unmet and not (needed.held or needed.stopped or needed.broken):
                    asking.append(needed)
    return urged


def _urged(job: WaitingJob, by: WaitingJob, queues: Mapping[str, QueueView]) -> WaitingJob:
    priority = max(job.priority, by.priority)
    queue = by.queue if queues[by.queue].rank > queues[job.queue].rank else job.queue
    if (priority, queue) == (job.priority, job.queue):
        return job
    return replace(job, priority=priority, queue=queue)
