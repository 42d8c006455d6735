"""A small history to report on: moments are hours from the beginning of a day that is over."""

from datetime import UTC, datetime, timedelta

from jobs.models import Placement
from jobs.usage import rollup
from tests import builders

DAY = datetime(2026, 5, 4, tzinfo=UTC)
"""A Monday."""


def at(hours):
    return DAY + timedelta(hours=hours)


def ran(since, until=None, *, node=None, gpus=(0,), cpus=8, reason="completed", started=None, submitted=None, **fields):
    """A job that held its node from then until then, in hours; without an end it still does."""
    machine = node or builders.node(gpus=8, cpus=64)
    over = {} if until is None else {"finished_at": at(until)}
    state = "running" if until is None else "completed" if reason == "completed" else "failed"
    job = builders.job(state=state, gpus=len(gpus), cpus=cpus, **over, **fields)
    said = {} if until is None else {"ended_at": at(until), "end_reason": reason}
    began = since if started is None else started
    attempt = builders.attempt(job=job, created_at=at(since), started_at=at(began), **said)
    closed = {} if until is None else {"closed_at": at(until)}
    builders.placement(
        attempt=attempt, node=machine, gpu_indices=gpus, cpus=cpus, created_at=at(since),
        state="running" if until is None else "closed", **closed,
    )  # fmt: skip
    job.created_at = at(since if submitted is None else submitted)
    job.save(update_fields=["created_at"])
    return job


def roll_up():
    """All that is over, whenever it was."""
    while rollup.roll_up():
        pass


def forget_everything():
    """The jobs are deleted, as they may be once their hours are on record."""
    for row in Placement.objects.select_related("attempt__job"):
        row.attempt.job.delete()
