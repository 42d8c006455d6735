"""The tools that change something. Each takes a reason, which stays in the job's history, and does twice what it does once."""

from typing import Annotated, Any

from pydantic import Field

from cli.agent_tools import brief
from cli.agent_tools.asked import MOST_JOBS, Differences, Edits, JobId, Reason, SubmissionKey, TrainingJob
from cli.client.requests import Row, Server, path_word
from cli.errors import RefusedError

NAMED = 100
Jobs = Annotated[list[TrainingJob], Field(min_length=1, max_length=MOST_JOBS)]
AlsoIfRunning = Annotated[bool, Field(description="Cancel it even if it runs already: what it has not saved is lost.")]
TemplateName = Annotated[str, Field(description="Its name, as list_job_templates has it.")]
Parameters = Annotated[
    dict[str, str | int | float | bool] | None,
    Field(description="By name; what has a default may be left out."),
]
OfTemplate = Annotated[
    str | None, Field(description="The slug of a project that you may submit to. Default: the template's own.")
]
STARTED = ("queued", "assigned", "running")


def queue_training_job(server: Server, job: TrainingJob, reason: Reason, submission_key: SubmissionKey) -> Row:
    """Submit one training job. Answers with its number, its state and what it is expected to cost.

    Ask quote_job or check_training_budget first where cost or waiting matters. `created` is false where this key brought
    the job before: then it is that job, whatever is asked now.
    """
    row, created = server.create("jobs", job.as_request(reason=reason, submission_key=submission_key))
    return {"created": created, **brief.job(row)}


def submit_batch_training_jobs(server: Server, jobs: Jobs, reason: Reason, submission_key: SubmissionKey) -> Row:
    """Submit several training jobs: all of them, or none. Each has the key with its place in the list: KEY-0, KEY-1.

    Answers with how many there are and the numbers of the first 100, in the order of the list.
    """
    asked = [
        job.as_request(reason=reason, submission_key=f"{submission_key}-{place}") for place, job in enumerate(jobs)
    ]
    answer = server.post("jobs/batch", {"jobs": asked})
    told = [brief.picked(one, ("id", "name", "state")) for one in answer["jobs"][:NAMED]]
    return {"count": answer["count"], "batch": answer["batch"], "jobs": told}


def queue_job_from_template(
    server: Server,
    template: TemplateName,
    reason: Reason,
    submission_key: SubmissionKey,
    parameters: Parameters = None,
    project: OfTemplate = None,
) -> Row:
    """Submit one job that comes of a template, as list_job_templates shows them. Answers like queue_training_job."""
    said = {"parameters": parameters or {}, "reason": reason, "submission_key": submission_key}
    asked = said if project is None else {**said, "project": project}
    row, created = server.create(f"templates/{path_word(template)}/jobs", asked)
    return {"created": created, **brief.job(row)}


def clone_job(
    server: Server,
    job_id: JobId,
    reason: Reason,
    submission_key: SubmissionKey,
    changes: Differences | None = None,
) -> Row:
    """Submit a job again, with changes; the new one is yours, and depends on nothing. Answers like queue_training_job.

    Values of `env` that are not for you to see are not taken along: the refusal names them, and each has to be said.
    """
    asked = (changes or Differences()).as_request(reason=reason, submission_key=submission_key)
    row, created = server.create(f"jobs/{job_id}/clone", asked)
    return {"created": created, **brief.job(row)}


def edit_job(server: Server, job_id: JobId, reason: Reason, changes: Edits) -> Row:
    """Change what a waiting job asks for and runs; it keeps its number and its place in line. Name and labels change at any time.

    Of a job that has been placed nothing else is changed: clone it instead. A token with caps changes its own jobs, to
    what its caps pay for. Answers like queue_training_job.
    """
    asked = changes.as_request()
    if not asked:
        raise RefusedError(fields=[("changes", 'Say what to change, for example {"resources": {"gpus": 2}}.')])
    return brief.job(server.patch(f"jobs/{job_id}", {**asked, "reason": reason}))


def cancel_queued_job(server: Server, job_id: JobId, reason: Reason, *, also_if_running: AlsoIfRunning = False) -> Row:
    """Cancel a job that waits; nothing takes it back. Jobs that others submitted to your projects can be cancelled too."""
    row = server.get(f"jobs/{job_id}")
    if row["state"] in STARTED and not also_if_running:
        words = f"Job {job_id} is {row['state']}: it has its place on a node. Say true to stop it all the same."
        raise RefusedError(fields=[("also_if_running", words)])
    after: dict[str, Any] = server.post(f"jobs/{job_id}/cancel", {"reason": reason})
    return brief.picked(after, ("id", "name", "state", "desired", "message"))
