"""The examples of the ladder on the page about usage come out as it says."""

import re
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, IdleGpuRule, IdleGpuStep, Job, Placement
from jobs.recovery import idle_gpus
from scheduling.idle_gpus import Rung
from tests import builders
from tests.architecture import source

pytestmark = pytest.mark.django_db


def told():
    page = (source.ROOT / "docs/usage.md").read_text(encoding="utf-8")
    table = page.partition("| example | can save |")[2].partition("\n\n")[0]
    return {
        name: cells.split(" | ") for name, cells in re.findall(r"^\| ([A-Za-z ]+) \| (.*) \|$", table, re.MULTILINE)
    }


def test_there_are_examples():
    assert len(told()) == 4


def look(attempt, minute, worked, climbed):
    """The rows as they are in this minute of the run; answers the rung that is climbed, if one is."""
    now = timezone.now()
    begun = now - timedelta(minutes=minute)
    Attempt.objects.filter(pk=attempt.pk).update(started_at=begun)
    Placement.objects.update(gpus_measured_at=now, gpus_active_at=begun + timedelta(minutes=worked))
    for rung, at in climbed.items():
        IdleGpuStep.objects.filter(attempt=attempt, rung=rung).update(at=begun + timedelta(minutes=at))
    idle_gpus.climb()
    return set(IdleGpuStep.objects.filter(attempt=attempt).values_list("rung", flat=True)) - climbed.keys()


@pytest.mark.parametrize("name", told())
def test_an_example_comes_out_as_the_page_says(name):
    saves, requeued, worked, *rungs, freed = told()[name]
    job = builders.running_job(gpu_indices=range(4), checkpointable=saves == "yes", max_runtime_seconds=12 * 3600)
    IdleGpuRule.objects.create(
        project=job.project, warn_minutes=15, suggest_minutes=30, requeue_minutes=60, stop_minutes=240
    )
    attempt = job.attempts.get()
    for number in range(int(requeued)):
        before = builders.attempt(job=job, number=number + 2, ended_at=timezone.now(), end_reason="preempted")
        IdleGpuStep.objects.create(attempt=before, rung="requeue", idle_gpu_seconds=0)
    Job.objects.update(attempt=attempt.number)
    climbed: dict[Rung, int] = {}
    for rung, minute in zip(Rung, rungs, strict=True):
        if minute != "-":
            assert look(attempt, int(minute) - 1, int(worked), climbed) == set()
            assert look(attempt, int(minute), int(worked), climbed) == {rung}
            climbed[rung] = int(minute)
    last = IdleGpuStep.objects.filter(attempt=attempt).last()
    assert last.freed_gpu_seconds / 3600 == pytest.approx(float(freed), abs=0.01)
