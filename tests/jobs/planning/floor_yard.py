"""A yard under the policy `floor`: what was placed begins, time passes, and the planner starts anew."""

from datetime import timedelta

from django.db.models import F

from jobs.models import Attempt, FloorShadow, FloorShadowJob, Job, Placement
from jobs.planning import cycle, snapshot
from jobs.planning.floor import floor_shadow
from quotas.clock import database_now
from tests import builders

HOUR = 3_600


def restart_planner():
    """Nothing is remembered: all that is known stands in rows."""
    floor_shadow._remembered = floor_shadow.Remembered()


def begin(*jobs, ago=0.0):
    """Their commands have begun, so long ago."""
    at = database_now() - timedelta(seconds=ago)
    ids = [job.pk for job in jobs]
    Job.objects.filter(pk__in=ids).update(state="running", started_at=at)
    Attempt.objects.filter(job__in=ids, ended_at=None).update(started_at=at)
    Placement.objects.filter(attempt__job__in=ids, closed_at=None).update(state="running")


def pass_time(seconds):
    """All that happened so far happened so much earlier."""
    by = timedelta(seconds=seconds)
    for model, names in (
        (Job, ("created_at", "queued_at", "started_at", "finished_at", "checkpoint_at")),
        (Attempt, ("created_at", "started_at", "ended_at")),
    ):
        model.objects.update(**{name: F(name) - by for name in names})
    for row in FloorShadow.objects.all():
        row.clock -= seconds
        row.save()
    FloorShadowJob.objects.update(started_at=F("started_at") - seconds)
    restart_planner()


def narrow_gap():
    """Four cores: two are held for an hour by `first`; `wide` needs all four, so two stand idle under plain backfilling.

    `early` can save its work and takes them, `plain` cannot and waits.
    """
    node = builders.node(name="n1", cpus=4)
    first = builders.running_job(node=node, cpus=2, max_runtime_seconds=HOUR)
    wide = builders.job(cpus=4, max_runtime_seconds=HOUR)
    early = builders.job(cpus=2, max_runtime_seconds=2 * HOUR, checkpointable=True)
    plain = builders.job(cpus=2, max_runtime_seconds=2 * HOUR)
    cycle.run_cycle()
    begin(early)
    return first, wide, early, plain


def shadow():
    """As the next plan gets it."""
    return snapshot.take_snapshot().shadow
