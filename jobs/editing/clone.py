"""Submitting a job again, or all jobs of a workload, with changes: in the name of whoever asks, and as if they were new."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from jobs.editing.specs import changed, spec_of
from jobs.models import Job, JobDependency, TokenCaps, Workload
from jobs.models.rights import answers_for
from jobs.submission import limits
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import Submitted, submit
from jobs.submission.workloads import WorkloadTerms
from scheduling.errors import ConflictError, FieldError, InvalidError

REASON_LENGTH = 200


@transaction.atomic
def clone(*, job: Job, user: User, changes: Mapping[str, Any], caps: TokenCaps | None = None) -> Submitted:
    """A new job of the user's like this one, which he may see, but for the changes. What it depended on is not copied.

    Raises InvalidError, by field, for what a submission refuses, and for variables whose values are not for the user;
    ForbiddenError where he may not submit.
    """
    [submitted] = submit(specs=[_spec(job, user, changes, timezone.now())], owner=user, caps=caps)
    return submitted


@transaction.atomic
def clone_workload(
    *, workload: Workload, name: str, user: User, changes: Mapping[str, Any], caps: TokenCaps | None = None
) -> list[Submitted]:
    """All of its jobs again, as a new workload of the user's with the same terms; all of them or none."""
    jobs = list(workload.jobs.select_related("project", "queue", "owner").order_by("pk")[: limits.BATCH + 1])
    _refuse_impossible(workload, jobs)
    now = timezone.now()
    specs = [replace(_spec(job, user, changes, now), workload=name) for job in jobs]
    if Workload.objects.filter(project__slug=specs[0].project, name=name).exists():
        raise InvalidError(
            [FieldError("workload", f"There is a workload {name} already: choose another name.", "taken")]
        )
    terms = WorkloadTerms(
        name, max_running=workload.max_running, stop_on_failure=workload.stop_on_failure,
        description=workload.description,
    )  # fmt: skip
    return submit(specs=specs, owner=user, caps=caps, terms=terms)


def _refuse_impossible(workload: Workload, jobs: Sequence[Job]) -> None:
    if not jobs:
        raise ConflictError(f"Workload {workload} has no jobs: there is nothing to clone.")
    if len(jobs) > limits.BATCH:
        raise ConflictError(
            f"Workload {workload} has more than {limits.BATCH} jobs, and so many are submitted at once."
        )
    if JobDependency.objects.filter(job__in=jobs, needs__in=jobs).exists():
        words = (
            f"Jobs of workload {workload} depend on each other, and a clone depends on nothing: "
            "submit their file again, or clone them one by one."
        )
        raise ConflictError(words)


def _spec(job: Job, user: User, changes: Mapping[str, Any], now: datetime) -> JobSpec:
    _refuse_hidden(job, user, changes.get("env", {}))
    reason = f"A clone of job {job.pk}. {changes.get('reason', '')}".strip()[:REASON_LENGTH]
    return changed(_still_to_come(spec_of(job), now), {**changes, "reason": reason})


def _still_to_come(spec: JobSpec, now: datetime) -> JobSpec:
    """Without a begin or a deadline that has passed."""
    return replace(
        spec,
        begin_at=spec.begin_at if spec.begin_at and spec.begin_at > now else None,
        deadline=spec.deadline if spec.deadline and spec.deadline > now else None,
    )


def _refuse_hidden(job: Job, user: User, said: Mapping[str, str | None]) -> None:
    """Nobody runs with values that he may not see: whoever asks says them himself, or does without."""
    hidden = sorted(set(job.env) - set(said))
    if hidden and not answers_for(user, job):
        words = (
            f"Values of job {job.pk} that are not for you to see: {', '.join(hidden)}. "
            "Say each of them yourself, or null to do without it."
        )
        raise InvalidError([FieldError("env", words, "hidden")])
