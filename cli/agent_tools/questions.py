"""The tools that ask: they change nothing, and answer in few words."""

from typing import Annotated, Literal

from pydantic import Field

from cli.agent_tools import brief
from cli.agent_tools.asked import MOST_RUNS, JobId, TrainingJob
from cli.client.requests import Row, Server
from cli.errors import RefusedError

MOST_LISTED = 100
MOST_QUEUES = 50
MOST_LINES = 1_000
LOG_BYTES = 64 * 1024
HISTORY = 10
QUEUE = (
    "name", "rank", "state", "description", "waiting", "running", "max_running", "pending_cost", "max_runtime_seconds",
    "default_runtime_seconds", "max_gpus", "max_nodes", "max_waiting_per_user", "allowed_projects",
)  # fmt: skip
BUDGET = ("project", "unit", "hard", "available", "needed", "within")

QueueName = Annotated[str | None, Field(description="One queue. Default: all of them.")]
Project = Annotated[str | None, Field(description="The slug of a project. Default: all of yours.")]
InQueue = Annotated[str | None, Field(description="Only those in this queue.")]
States = Annotated[
    list[Literal["pending", "queued", "assigned", "running", "paused", "completed", "failed", "cancelled"]] | None,
    Field(description="Only those in these states. Default: pending, those that wait."),
]
Limit = Annotated[int, Field(description="How many at most.", ge=1, le=MOST_LISTED)]
Count = Annotated[int, Field(description="So many runs of it.", ge=1, le=MOST_RUNS)]
AtMost = Annotated[
    str | None, Field(description="An amount such as 20.00, in the platform's currency: whether all costs no more.")
]
Lines = Annotated[int, Field(description="The last so many lines.", ge=1, le=MOST_LINES)]
Attempt = Annotated[int | None, Field(description="Of which attempt. Default: the latest.", ge=1)]


def get_queue_status(server: Server, queue: QueueName = None) -> Row:
    """The queues, the one that goes first on top: how many jobs wait and run in each, and what each limits."""
    rows = sorted(server.rows("queues", limit=1_000), key=lambda row: (-row["rank"], row["name"]))
    chosen = [row for row in rows if queue in (None, row["name"])]
    if not chosen:
        names = ", ".join(row["name"] for row in rows[:MOST_QUEUES])
        raise RefusedError(fields=[("queue", f"There is no queue {queue}. There are: {names}.")])
    told = [brief.picked(row, QUEUE) for row in chosen[:MOST_QUEUES]]
    return {"queues": told, "left_out": len(chosen) - len(told)}


def list_queued_jobs(
    server: Server, project: Project = None, queue: InQueue = None, states: States = None, limit: Limit = 20
) -> Row:
    """Jobs of your projects, the most urgent first, each with why it waits. `more` says that there are others."""
    asked = {"project": project, "queue": queue, "state": states or ["pending"], "ordering": "-priority"}
    rows = server.rows("jobs", limit=limit + 1, **asked)
    return {"jobs": [brief.job(row) for row in rows[:limit]], "more": len(rows) > limit}


def list_job_templates(server: Server) -> Row:
    """Templates of jobs that queue_job_from_template takes: what each makes, and the parameters that it knows."""
    rows = server.rows("templates", limit=MOST_LISTED + 1)
    told = [brief.picked(row, ("name", "version", "project", "description", "parameters")) for row in rows]
    return {"templates": told[:MOST_LISTED], "more": len(rows) > MOST_LISTED}


def get_training_dashboard(server: Server) -> Row:
    """Your jobs by state and queue, what the waiting ones wait for, and how full the machines are."""
    seen = server.get("dashboard")
    return {**seen, "queues": seen["queues"][:MOST_QUEUES]}


def check_training_budget(server: Server, job: TrainingJob, count: Count = 1, at_most: AtMost = None) -> Row:
    """What `count` runs of a job would cost, and whether the budgets above it, and `at_most`, allow that. Submits nothing.

    `most_cost` is what it costs if all run up to their limits; null: nothing of it has a price.
    """
    asked = {"count": count} if at_most is None else {"count": count, "at_most": at_most}
    runs = server.post("jobs/quote", job.as_request(**asked))["runs"]
    stopped = runs["stopped_by"]
    return {
        **{name: value for name, value in runs.items() if name not in ("budgets", "stopped_by")},
        "stopped_by": stopped and brief.picked(stopped, BUDGET),
        "budgets": [brief.picked(one, BUDGET) for one in runs["budgets"][: brief.NAMES]],
    }


def quote_job(server: Server, job: TrainingJob) -> Row:
    """When a job would start, where, what it would wait for and what it would cost. Submits nothing."""
    answer = server.post("jobs/quote", job.as_request())
    return {**brief.outlook(answer), **brief.picked(answer, ("estimated_cost", "cost_basis"))}


def explain_job(server: Server, job_id: JobId) -> Row:
    """Why a job waits and until when, what would start it now, and how it came to where it is."""
    told = server.get(f"jobs/{job_id}/explain")
    holders = [brief.picked(one, ("id", "name", "project", "expected_end")) for one in told["holders"][: brief.NAMES]]
    history = [{"at": one["at"], "sentence": brief.short(one["sentence"])} for one in told["history"][-HISTORY:]]
    return {"job": told["job"], "state": told["state"], **brief.outlook(told), "held_by": holders, "history": history}


def get_job_logs(server: Server, job_id: JobId, lines: Lines = 100, attempt: Attempt = None) -> Row:
    """The last lines that a job has written, of at most 64 KB. `complete`: it is over, nothing comes after them."""
    piece = server.get(f"jobs/{job_id}/logs", offset=-LOG_BYTES, limit=LOG_BYTES, attempt=attempt)
    written = piece["text"].splitlines()
    cut = piece["offset"] > 0 or len(written) > lines
    told = {name: piece[name] for name in ("attempt", "complete")}
    return {**told, "earlier_lines_left_out": cut, "text": "\n".join(written[-lines:])}
