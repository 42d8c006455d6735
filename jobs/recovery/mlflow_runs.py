"""Ends what killed attempts left open in MLflow: a command that is killed cannot say to its run that it is over.

Level-triggered: every run that MLflow takes for running, and that began within an attempt which has ended by now, is
ended as the attempt was. Nothing depends on it: while MLflow is away, runs stay as they are.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
from django.conf import settings
from django.db import connection
from django.utils import timezone

from jobs.models import Attempt
from scheduling.lifecycle import EndReason

log = logging.getLogger(__name__)
TRACKING_LOCK = 0x7472_6163  # "trac": one pass at a time
REQUEST_SECONDS = 5.0
PASS_SECONDS = 20.0
CLOCKS_DIFFER = timedelta(seconds=60)
PAGE = 1000
EXPERIMENTS = 100
"""So many experiments are named in one search."""
OPEN_RUNS = "attributes.status = 'RUNNING' and tags.`trainyard.attempt` LIKE '%'"
CLOSED = "trainyard.closed"
"""The tag of a run that was ended here. One that runs again was taken up by a later attempt, on purpose."""
STATUSES = {
    EndReason.COMPLETED: "FINISHED",
    EndReason.EXIT_CODE: "FAILED",
    EndReason.TIMEOUT: "FAILED",
    EndReason.OUT_OF_MEMORY: "FAILED",
    EndReason.STALLED: "FAILED",
}
OTHERWISE = "KILLED"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that MLflow takes for running, and whose it is."""

    id: str
    began_at: datetime
    job_id: int
    attempt: int
    project: str
    closed: bool


def close_runs() -> int:
    """One pass; returns how many runs were ended. Does nothing without MLflow, or while another pass runs."""
    if not settings.MLFLOW_TRACKING_URI.startswith(("http://", "https://")):
        return 0
    with connection.cursor() as cursor:
        # The session's lock, not a transaction's: to wait for somebody else's server in a transaction would keep old rows
        # alive in ours.
        cursor.execute("SELECT pg_try_advisory_lock(%s)", [TRACKING_LOCK])
        if not cursor.fetchone()[0]:
            return 0
        try:
            return _close_runs()
        except (httpx.HTTPError, KeyError, TypeError, ValueError) as error:
            log.warning("Runs of ended attempts stay open in MLflow for now: %r", error)
            return 0
        finally:
            cursor.execute("SELECT pg_advisory_unlock(%s)", [TRACKING_LOCK])


def _close_runs() -> int:
    until = time.monotonic() + PASS_SECONDS
    closed = 0
    login = settings.MLFLOW_LOGIN if settings.MLFLOW_LOGIN[0] else None
    with httpx.Client(base_url=settings.MLFLOW_TRACKING_URI, timeout=REQUEST_SECONDS, auth=login) as client:
        for page in _open_runs(client):
            for run, attempt in _over(page):
                if time.monotonic() > until:
                    return closed
                _end(client, run, attempt)
                closed += 1
    return closed


def _open_runs(client: httpx.Client) -> Iterator[list[Run]]:
    for experiments in _pages(client, "experiments", {"max_results": EXPERIMENTS}):
        ids = [experiment["experiment_id"] for experiment in experiments]
        search = {"experiment_ids": ids, "filter": OPEN_RUNS, "max_results": PAGE}
        for runs in _pages(client, "runs", search):
            yield [found for run in runs if (found := _as_ours(run)) is not None]


def _pages(client: httpx.Client, what: str, search: dict[str, Any]) -> Iterator[list[dict[str, Any]]]:
    while True:
        answer = _post(client, f"{what}/search", search)
        if found := answer.get(what):
            yield found
        if not answer.get("next_page_token"):
            return
        search = {**search, "page_token": answer["next_page_token"]}


def _post(client: httpx.Client, path: str, body: dict[str, Any]) -> dict[str, Any]:
    answer = client.post(f"/api/2.0/mlflow/{path}", json=body)
    answer.raise_for_status()
    said: dict[str, Any] = answer.json()
    return said


def _as_ours(run: dict[str, Any]) -> Run | None:
    """None for one whose tags anybody could have written by hand."""
    tags = {tag["key"]: tag["value"] for tag in run["data"].get("tags", [])}
    try:
        return Run(
            id=run["info"]["run_id"],
            began_at=datetime.fromtimestamp(int(run["info"]["start_time"]) / 1000, UTC),
            job_id=int(tags["trainyard.job_id"]),
            attempt=int(tags["trainyard.attempt"]),
            project=tags["trainyard.project"],
            closed=CLOSED in tags,
        )
    except (KeyError, ValueError, OverflowError):
        return None


def _over(runs: list[Run]) -> list[tuple[Run, Attempt]]:
    """The runs that nobody writes any more, each with the attempt that was the last to do so."""
    of_jobs: dict[int, list[Attempt]] = defaultdict(list)
    attempts = Attempt.objects.filter(job__in={run.job_id for run in runs}).select_related("job__project")
    for attempt in attempts.order_by("number"):
        of_jobs[attempt.job_id].append(attempt)
    found = [(run, _last_writer(run, of_jobs[run.job_id])) for run in runs]
    return [(run, attempt) for run, attempt in found if attempt is not None and attempt.ended_at is not None]


def _last_writer(run: Run, attempts: list[Attempt]) -> Attempt | None:
    """None for a run of another platform, which may have jobs of the same numbers: the times tell."""
    first = next((attempt for attempt in attempts if attempt.number == run.attempt), None)
    if first is None or first.job.project.slug != run.project or not _began_within(run, first):
        return None
    return attempts[-1] if run.closed else first


def _began_within(run: Run, attempt: Attempt) -> bool:
    if attempt.ended_at is None:
        return False
    return attempt.created_at - CLOCKS_DIFFER <= run.began_at <= attempt.ended_at + CLOCKS_DIFFER


def _end(client: httpx.Client, run: Run, attempt: Attempt) -> None:
    ended_at = attempt.ended_at or timezone.now()
    status = STATUSES.get(EndReason(attempt.end_reason), OTHERWISE) if attempt.end_reason else OTHERWISE
    # The tag before the end: were it the other way round and we ended between, the run would be one that its owner ended,
    # and nobody would ever tag it.
    _post(client, "runs/set-tag", {"run_id": run.id, "key": CLOSED, "value": attempt.end_reason or "unknown"})
    _post(
        client,
        "runs/update",
        {"run_id": run.id, "status": status, "end_time": int(ended_at.timestamp() * 1000)},
    )
    ids = {"job": run.job_id, "attempt": run.attempt}
    log.info("Ended the MLflow run %s of job %d, attempt %d: %s.", run.id, run.job_id, run.attempt, status, extra=ids)
