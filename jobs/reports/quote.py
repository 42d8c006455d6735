"""What would become of a job if it were submitted now: the same checks, the same core, and nothing is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.contrib.auth.models import User

from jobs.models import Job, Queue, TokenCaps
from jobs.planning import run_times, workloads
from jobs.planning.queue_limits import limits_of
from jobs.planning.snapshot import take_snapshot
from jobs.planning.workloads import Standings
from jobs.reports.explain import Explanation, explanation
from jobs.reports.quote_runs import RunsQuote, quote_runs
from jobs.submission import pricing
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import check, with_memory, with_runtime
from scheduling import priorities
from scheduling.lifecycle import EndReason, JobState
from scheduling.planning.dependencies import After, Link, Standing
from scheduling.snapshot import Snapshot, WaitingJob

UNBORN = 2**62
"""The id of a job that there is not: it stands behind all that are in line at its priority."""


@dataclass(frozen=True, slots=True)
class Quote:
    """What the platform would say of the job, and what it would cost; no cost without prices."""

    told: Explanation
    estimated_cost: Decimal | None = None
    cost_basis: str = ""
    runs: RunsQuote | None = None


def quote(
    specs: Sequence[JobSpec],
    owner: User,
    *,
    count: int = 1,
    at_most: Decimal | None = None,
    caps: TokenCaps | None = None,
) -> Quote:
    """Of the first of these jobs what would become of it, and of all of them, `count` times, what they would cost.

    Raises what `submit` would raise. Takes no lock: a cycle may place others meanwhile.
    """
    needs, *_ = check(specs=specs, owner=owner, caps=caps).needs
    snapshot = take_snapshot()
    tree = {project.slug: project for project in snapshot.projects}
    limits = limits_of(Queue.objects.filter(name__in={spec.queue for spec in specs}))
    specs = [with_runtime(with_memory(spec, tree), limits) for spec in specs]
    spec, *_ = specs
    job = _as_waiting(spec, owner, snapshot, _links(needs))
    if spec.workload:
        snapshot, job = _in_workload(snapshot, job, workloads.standing_of(spec.project, spec.workload))
    told = explanation(replace(snapshot, waiting=(*snapshot.waiting, job)), job.id, owner)
    cost = pricing.estimate(
        spec.request,
        snapshot.nodes,
        predicted=job.predicted_seconds,
        estimated=job.estimated_runtime_seconds,
        limit=job.max_runtime_seconds,
    )
    runs = quote_runs(specs, snapshot, owner.get_username(), count=count, at_most=at_most)
    if cost is None:
        return Quote(told or Explanation(), runs=runs)
    return Quote(told or Explanation(), cost.cost, cost.basis, runs)


def _as_waiting(spec: JobSpec, owner: User, snapshot: Snapshot, links: Mapping[int, Link]) -> WaitingJob:
    return WaitingJob(
        id=UNBORN,
        project=spec.project,
        queue=spec.queue,
        priority=priorities.number_of(spec.priority),
        submitted_at=snapshot.taken_at,
        request=spec.request,
        owner=owner.get_username(),
        max_runtime_seconds=spec.max_runtime_seconds,
        estimated_runtime_seconds=spec.estimated_runtime_seconds,
        deadline=spec.deadline.timestamp() if spec.deadline else None,
        not_before=spec.begin_at.timestamp() if spec.begin_at else None,
        unmet=tuple(one for one, link in links.items() if link.standing == Standing.UNMET),
        broken=tuple(one for one, link in links.items() if link.standing == Standing.DEAD),
        needs_end=tuple(one for one, link in links.items() if link.after == After.ANY),
        needs_failure=tuple(
            one for one, link in links.items() if link.after == After.FAILED and link.standing != Standing.MET
        ),
        predicted_seconds=run_times.expected_of(
            run_times.traits_of(spec.project, owner.get_username(), spec.name, spec.request, spec.max_runtime_seconds)
        ),
        checkpointable=spec.checkpointable,
        preemptible=spec.preemptible,
    )


def _in_workload(snapshot: Snapshot, job: WaitingJob, found: Standings) -> tuple[Snapshot, WaitingJob]:
    """The job as one of its workload, if that is there. A snapshot has only workloads in which a job waits."""
    for pk, standing in found.items():
        job = replace(job, workload=workloads.key(pk), stopped=standing.stopped)
    others = (one for one in snapshot.workloads if one.key != job.workload)
    return replace(snapshot, workloads=(*others, *workloads.capped(found))), job


def _links(needs: Mapping[int, After]) -> dict[int, Link]:
    rows = Job.objects.filter(pk__in=list(needs)).order_by("pk").values_list("pk", "state", "end_reason")
    return {
        pk: Link(UNBORN, pk, needs[pk], JobState(state), for_failure=reason == EndReason.DEPENDENCY_FAILED)
        for pk, state, reason in rows
    }
