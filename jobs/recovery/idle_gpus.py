"""Jobs whose GPUs idle: warned, told what to do, requeued, stopped, as the rules of their projects and queues say.

A job counts as idle by the word of all its nodes, each less than a minute old: who is not measured, or not at the moment,
is left alone. All its GPUs together: a gang climbs as one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from math import inf
from typing import NamedTuple

from django.conf import settings
from django.db.models import F
from django.db.models.functions import Least, Now

from jobs.control import idle_gpu_rules
from jobs.control.idle_gpu_rules import Ladders
from jobs.messages import remote_control
from jobs.models import IdleGpuStep, Job, Placement
from jobs.models.queries import rows
from jobs.state import transitions
from jobs.state.desired import IDLE, PREEMPT
from scheduling.idle_gpus import LEAVING, IdleJob, Ladder, Rung, following, freed_seconds, next_rung
from scheduling.lifecycle import JobState

SWEEP = 500
FRESH_SECONDS = 60.0
"""What nodes said longer ago says nothing of now; so long agents, too, take for granted that nothing has changed."""
KINDS = {
    Rung.WARN: "gpus_idle",
    Rung.SUGGEST: "gpus_idle_advice",
    Rung.REQUEUE: "idle_requeue_requested",
    Rung.STOP: "idle_stop_requested",
}
MAILED = frozenset({Rung.WARN, *LEAVING})
# Of a gang those ranks that are still there; who is ending already has a reason to.
STANDING_IDLE = """
    SELECT job.id, job.project_id, job.queue_id, job.priority, job.checkpointable, attempt.id, attempt.number,
           rank.idle, rank.since, statement_timestamp(), rank.gpus,
           extract(epoch FROM statement_timestamp() - attempt.started_at)::float8 - job.suspended_seconds AS ran,
           job.predicted_runtime_seconds, job.estimated_runtime_seconds, job.max_runtime_seconds
    FROM jobs_job AS job
    JOIN jobs_attempt AS attempt ON attempt.job_id = job.id AND attempt.ended_at IS NULL AND attempt.end_reason = ''
    CROSS JOIN LATERAL (
        SELECT min(extract(epoch FROM gpus_measured_at - gpus_active_at))::float8 AS idle, max(gpus_active_at) AS since,
               sum(cardinality(gpu_indices)) AS gpus,
               bool_and(coalesce(gpus_measured_at > statement_timestamp() - make_interval(secs => %s), false)
                        AND gpus_active_at IS NOT NULL) AS known
        FROM jobs_placement WHERE attempt_id = attempt.id AND closed_at IS NULL AND gpu_indices <> '{}'
    ) AS rank
    WHERE job.state = 'running' AND job.desired = '' AND job.suspended_at IS NULL AND attempt.started_at IS NOT NULL
      AND rank.known AND rank.idle >= %s
    ORDER BY job.id
"""


class Idle(NamedTuple):
    """A running job of which no GPU has worked since `since`."""

    job_id: int
    project_id: int
    queue_id: int
    priority: int
    checkpointable: bool
    attempt_id: int
    attempt: int
    idle: float
    since: datetime
    now: datetime
    gpus: int
    ran: float
    predicted: float | None
    estimated: float | None
    limit: float | None

    @property
    def freed(self) -> float:
        """The GPU time that it would have taken still, as far as anybody can say."""
        return self.gpus * freed_seconds(self.ran, (self.predicted, self.estimated, self.limit))


def climb() -> int:
    """One look at all that runs; returns how many jobs are told to give their GPUs back."""
    ladders = idle_gpu_rules.ladders()
    if ladders.least_minutes == inf:
        return 0
    idle = [Idle(*row) for row in rows(STANDING_IDLE, FRESH_SECONDS, ladders.least_minutes * 60)]
    due = list(_due(idle, ladders))[:SWEEP]
    taken = [(one, rung) for one, job, rung, ladder in due if _take(one, job, rung, ladder)]
    _credit([one for one, rung in taken if rung == Rung.REQUEUE])
    told = [one.job_id for one, rung in taken if rung in LEAVING]
    remote_control.notify(told)
    return len(told)


def _due(idle: Sequence[Idle], ladders: Ladders) -> Iterator[tuple[Idle, IdleJob, Rung, Ladder]]:
    taken, requeued = _taken(idle), _requeued(idle)
    for one in idle:
        ladder = ladders.of(one.project_id, one.queue_id)
        job = IdleJob(one.idle, one.ran, one.checkpointable, requeued[one.job_id], taken[one.attempt_id])
        rung = next_rung(ladder, job)
        if rung is not None:
            yield one, job, rung, ladder


def _taken(idle: Sequence[Idle]) -> Mapping[int, Mapping[Rung, float]]:
    """By attempt, how many seconds ago it climbed which rungs since its GPUs last worked."""
    attempts = {one.attempt_id: one for one in idle}
    found: defaultdict[int, dict[Rung, float]] = defaultdict(dict)
    for attempt, rung, at in IdleGpuStep.objects.filter(attempt__in=attempts).values_list("attempt_id", "rung", "at"):
        if at > attempts[attempt].since:
            found[attempt][Rung(rung)] = (attempts[attempt].now - at).total_seconds()
    return found


def _requeued(idle: Sequence[Idle]) -> Mapping[int, int]:
    """By job, how often it has been requeued for this, in all its attempts."""
    steps = IdleGpuStep.objects.filter(rung=Rung.REQUEUE, attempt__job__in=[one.job_id for one in idle])
    return Counter(steps.order_by().values_list("attempt__job_id", flat=True))


def _take(one: Idle, job: IdleJob, rung: Rung, ladder: Ladder) -> bool:
    """Climb the rung, unless the job has changed meanwhile."""
    leaves = rung in LEAVING
    if leaves and not _tell(one, rung, ladder):
        return False
    IdleGpuStep.objects.create(
        attempt_id=one.attempt_id,
        rung=rung,
        idle_gpu_seconds=one.gpus * one.idle,
        freed_gpu_seconds=one.freed if leaves else 0,
        mail_at=Now() if settings.EMAIL_HOST and rung in MAILED else None,
    )
    data = {"gpus": one.gpus, "idle_gpu_seconds": round(one.gpus * one.idle, 1)}
    if leaves:
        data["freed_gpu_seconds"] = round(one.freed, 1)
    transitions.note([one.job_id], KINDS[rung], message=_message(one, job, rung, ladder), data=data)
    return True


def _tell(one: Idle, rung: Rung, ladder: Ladder) -> bool:
    """By compare-and-set: since it was looked at, it may have ended, or somebody has other wishes for it."""
    running = Job.objects.filter(pk=one.job_id, attempt=one.attempt, state=JobState.RUNNING)
    still = running.filter(desired="", suspended_at__isnull=True)
    if rung == Rung.STOP:
        return bool(still.update(desired=IDLE))
    return bool(still.update(desired=PREEMPT, priority=Least(F("priority"), ladder.requeue_priority)))


def _credit(requeued: Sequence[Idle]) -> None:
    """What they held since their GPUs last worked does not count in fair share."""
    since = {one.attempt_id: one.since for one in requeued}
    # Locked in the order of ids first, as agents lock them that renew their leases.
    rows = Placement.objects.select_for_update(no_key=True).filter(attempt__in=since, closed_at__isnull=True)
    for placement, attempt in list(rows.order_by("pk").values_list("pk", "attempt_id")) if since else ():
        Placement.objects.filter(pk=placement).update(charged_until=since[attempt])


def _message(one: Idle, job: IdleJob, rung: Rung, ladder: Ladder) -> str:
    whose = "Its GPU has" if one.gpus == 1 else f"None of its {one.gpus} GPUs has"
    idle = f"{whose}{' not' if one.gpus == 1 else ''} worked for {one.idle / 60:.0f} minutes"
    if rung == Rung.REQUEUE:
        priority = min(one.priority, ladder.requeue_priority)
        return (
            f"{idle}: it saves its work and goes back in line with priority {priority}. "
            "That time does not count in fair share; it costs what it costs."
        )
    if rung == Rung.STOP:
        return f"{idle}: it is ended, and not tried again."
    advice = "" if rung == Rung.WARN else f" {_advice(one)}"
    return f"{idle}.{advice}{_what_follows(job, rung, ladder)}"


def _advice(one: Idle) -> str:
    fewer = "Ask for none, or look" if one.gpus == 1 else "Ask for fewer GPUs, look"
    return f"{fewer} at how it loads its data (`trainyard seff {one.job_id}`), or pause it: `trainyard pause {one.job_id}`."


def _what_follows(job: IdleJob, rung: Rung, ladder: Ladder) -> str:
    after = following(ladder, job, rung)
    if after is None:
        return ""
    does = "goes back in line" if after[0] == Rung.REQUEUE else "is ended"
    return f" After {after[1]} minutes it {does}."
