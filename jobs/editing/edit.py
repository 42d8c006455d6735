"""Changing what a waiting job asks for and runs: judged as a submission is, and written only while it still waits.

It keeps its number, its history and its age in line, as with Slurm's `scontrol update`.
"""

from collections.abc import Mapping
from typing import Any

from django.contrib.auth.models import User
from django.db import transaction

from jobs.control import actions
from jobs.editing.specs import changed, merged, spec_of
from jobs.models import CappedJob, Job, JobMove, TokenCaps
from jobs.models.rights import acts_for_owner
from jobs.planning import run_times, snapshot
from jobs.state.queue_transitions import UNSTARTED
from jobs.submission import pricing, token_caps
from jobs.submission.intake import read_intake
from jobs.submission.job_faults import spec_faults
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import completed
from scheduling.errors import ConflictError, ForbiddenError, InvalidError, NotFoundError

SIZE = frozenset({"cpus", "memory_mb", "gpus", "gpu_memory_mb", "gpu_model", "nodes", "node_labels"})
WHAT_RUNS = frozenset({"command", "working_dir", "env", "image"})
"""It runs in its owner's name: others say nothing of it."""
ASKED = SIZE | WHAT_RUNS | {"executor"}
COSTS = SIZE | {"max_runtime_seconds", "estimated_runtime_seconds", "max_retries"}
"""By these it is told what the job will take and cost."""
JUDGED = ASKED | COSTS | {"begin_at"}
FORETOLD = (
    "predicted_runtime_seconds", "predicted_low_seconds", "predicted_high_seconds", "predicted_by",
    "estimated_cost", "cost_basis",
)  # fmt: skip


@transaction.atomic
def edit(
    *, job_id: int, user: User, changes: Mapping[str, Any], reason: str = "", caps: TokenCaps | None = None
) -> Job:
    """Change the job; name and labels at any time, all else while it waits, is held or paused.

    `caps` are those of the token by which it is asked, if it has any: they pay for what the job becomes. Raises
    InvalidError for what a submission would refuse and the job did not have before, ForbiddenError where somebody else's
    job is to run another thing or the job is not the token's, ConflictError for a job that was placed meanwhile.
    """
    asked = {name: value for name, value in changes.items() if name in ASKED}
    columns = actions.columns_of({name: value for name, value in changes.items() if name not in ASKED})
    job = _locked(job_id)
    _refuse_others(job, user, asked.keys() & WHAT_RUNS)
    if caps is not None:
        _refuse_beyond_caps(job, user, changes, caps)
    columns |= _as_columns(job, asked)
    if job.state not in UNSTARTED or not columns.keys() & JUDGED:
        return actions.change_columns(job_id=job_id, actor=user.get_username(), columns=columns, reason=reason)
    if asked.keys() & SIZE and JobMove.objects.filter(job=job, closed_at=None).exists():
        raise ConflictError(f"Job {job_id} is being moved, to room that is kept for it: cancel that first.")
    wanted = _judged(job, user, changes)
    foretold = _foretold(job, columns) if columns.keys() & COSTS else {}
    _note_caps(job, wanted)
    return actions.change_columns(
        job_id=job_id, actor=user.get_username(), columns=columns, beside=foretold, reason=reason
    )


def _locked(job_id: int) -> Job:
    """The planner waits for it, or it for the planner; then it is judged as it is."""
    if not Job.objects.select_for_update(no_key=True).filter(pk=job_id).exists():
        raise NotFoundError(f"There is no job {job_id}.")
    return Job.objects.select_related("project", "queue", "owner").get(pk=job_id)


def _refuse_others(job: Job, user: User, what: set[str]) -> None:
    if not what or acts_for_owner(user, job):
        return
    if job.secrets:
        raise ForbiddenError(
            f"Job {job.pk} gets secrets that may be {job.owner}'s own: only {job.owner} may change what it runs. Clone it instead."
        )
    names = ", ".join(sorted(what))
    raise ForbiddenError(
        f"Job {job.pk} runs in the name of {job.owner}: only {job.owner} and administrators of {job.project} "
        f"may change its {names}. Clone it instead."
    )


def _refuse_beyond_caps(job: Job, user: User, changes: Mapping[str, Any], caps: TokenCaps) -> None:
    """Else an agent would submit a small job and have it become a large one, or use somebody else's that counts nowhere."""
    if not CappedJob.objects.filter(job=job.pk, caps=caps).exists():
        words = f"This token is capped: it changes the jobs that were submitted with it, and job {job.pk} was not."
        raise ForbiddenError(words)
    if job.state not in UNSTARTED:
        return
    before = spec_of(job)
    both = [before, changed(before, changes)]
    intake = read_intake(both, job.owner or user, locked=False)
    before, after = completed(both, intake)
    if faults := token_caps.edit_faults(token_caps.locked(caps), job.pk, before, after, intake.nodes, intake.now):
        raise InvalidError(faults)


def _as_columns(job: Job, asked: Mapping[str, Any]) -> dict[str, Any]:
    columns = {name: list(value) if isinstance(value, tuple) else value for name, value in asked.items()}
    return columns | ({"env": merged(job.env, asked["env"])} if "env" in asked else {})


def _judged(job: Job, user: User, changes: Mapping[str, Any]) -> JobSpec:
    """What it asks for then. Of a limit that came after its submission it is told only where it breaks it anew."""
    before = spec_of(job)
    after = changed(before, changes)
    intake = read_intake([before, after], job.owner or user, locked=False)
    known, found = (spec_faults(spec, intake) for spec in completed([before, after], intake))
    faults = [one for one in found if one not in known]
    if faults:
        raise InvalidError(faults)
    return after


def _foretold(job: Job, columns: Mapping[str, Any]) -> dict[str, Any]:
    """How long it is expected to run, and what it is expected to cost, as it is then."""
    then = Job.objects.select_related("project", "owner").get(pk=job.pk)
    for name, value in {**columns, **dict.fromkeys(FORETOLD), "predicted_by": "", "cost_basis": ""}.items():
        setattr(then, name, value)
    run_times.predict([then])
    pricing.estimate_all([then], snapshot.nodes())
    return {name: getattr(then, name) for name in FORETOLD}


def _note_caps(job: Job, spec: JobSpec) -> None:
    """A job that came with a capped token is counted as it is then, so that the token has no more than its caps."""
    [cost] = token_caps.most_costs([spec], snapshot.nodes())
    CappedJob.objects.filter(job=job.pk).update(gpus=spec.gpus * spec.nodes, most_cost=cost)
