"""Two at once: a job is changed at the very moment at which the planner places it."""

import pytest

from jobs.editing.edit import edit
from jobs.models import Attempt, Job
from jobs.planning import cycle
from scheduling.errors import ConflictError
from scheduling.lifecycle import JobState
from scheduling.planning.plan import make_plan
from tests import builders
from tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def job():
    project = builders.project()
    builders.node(cpus=4, gpus=4)
    return builders.job(project=project, owner=builders.member(project=project), gpus=1)


def edits(job, **changes):
    return lambda: edit(job_id=job.pk, user=job.owner, changes=changes or {"gpus": 3})


def test_a_plan_that_was_made_before_the_edit_does_not_place_the_job(job, monkeypatch):
    def plan(snapshot, now):
        planned = make_plan(snapshot, now)
        if not Job.objects.get(pk=job.pk).revision:
            edits(job)()
        return planned

    monkeypatch.setattr(cycle, "make_plan", plan)

    assert cycle.run_cycle().placed == 0
    assert Job.objects.get(pk=job.pk).state == JobState.PENDING

    assert cycle.run_cycle().placed == 1
    assert len(Attempt.objects.get().placements.get().gpu_indices) == 3


def test_the_planner_waits_for_an_edit_that_is_under_way_and_then_leaves_the_job_in_line(job):
    race(edits(job), cycle.run_cycle)
    assert Job.objects.get(pk=job.pk).state == JobState.PENDING
    assert not Attempt.objects.exists()


def test_an_edit_that_comes_while_the_job_is_placed_is_told_so(job):
    refusal = race(cycle.run_cycle, edits(job))

    assert isinstance(refusal, ConflictError)
    assert refusal.state == "queued"
    placed = Job.objects.get(pk=job.pk)
    assert (placed.gpus, len(Attempt.objects.get().placements.get().gpu_indices)) == (1, 1)


def test_a_new_command_alone_leaves_the_plan_as_it_is(job):
    race(edits(job, command=("true", "2")), cycle.run_cycle)
    assert Job.objects.get(pk=job.pk).state == JobState.QUEUED
