"""Under the policy `floor` the shadow goes from cycle to cycle: in rows, and only as long as a queue asks for it."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.control import actions
from jobs.models import Attempt, FloorShadow, FloorShadowJob, Job, JobEvent, Placement, Preemption, Queue
from jobs.planning import cycle, floor_shadow, snapshot
from scheduling.lifecycle import EndReason
from tests import builders
from tests.jobs.planning.test_preemption import ended, fresh
from workers.models import Node

pytestmark = pytest.mark.django_db
HOUR = 3_600


@pytest.fixture(autouse=True)
def _floor(settings):
    settings.SCHEDULING_POLICY = "floor"
    settings.FLOOR_SLACK = 0.0
    floor_shadow._remembered = floor_shadow.Remembered()


def started():
    """What was placed has begun to run, an hour ago."""
    ...


def test_smoke():
    node = builders.node(name="n1", cpus=4)
    first = builders.running_job(node=node, cpus=2, max_runtime_seconds=HOUR)
    wide = builders.job(cpus=4, max_runtime_seconds=HOUR)
    early = builders.job(cpus=2, max_runtime_seconds=2 * HOUR, checkpointable=True)
    plain = builders.job(cpus=2, max_runtime_seconds=2 * HOUR)
    cycle.run_cycle()
    print(FloorShadow.objects.values(), FloorShadowJob.objects.values())
    assert fresh(early).state == "queued"
    assert fresh(plain).state == "pending"
    Job.objects.filter(pk=early.pk).update(state="running", started_at=timezone.now())
    Attempt.objects.filter(job=early).update(started_at=timezone.now())
    Placement.objects.filter(attempt__job=early).update(state="running")
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    print(FloorShadow.objects.values(), FloorShadowJob.objects.values())
    assert fresh(early).desired == "preempt"
    assert fresh(wide).promised
    print(snapshot.take().shadow)
    ended(early, EndReason.PREEMPTED, exit_code=143)
    cycle.run_cycle()
    assert fresh(wide).state == "queued"
    assert 0
