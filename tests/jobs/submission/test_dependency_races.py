"""Two at once: the end of a job and what becomes of those that need it."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from jobs.control import actions, job_deletion
from jobs.models import Job, JobDependency
from jobs.planning import cycle, dead_dependencies
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from scheduling.errors import TrainyardError
from tests import builders
from tests.racing import race

pytestmark = pytest.mark.django_db(transaction=True)


def meanwhile(step: Callable[[], Any]) -> Any:
    """What becomes of `step` on another connection, which waits for nobody."""
    answers: list[Any] = []

    def run() -> None:
        try:
            answers.append(step())
        except TrainyardError as refusal:
            answers.append(refusal)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20)
    return answers[0]


def state_of(job: Job) -> str:
    return Job.objects.get(pk=job.pk).state


def test_a_job_that_is_submitted_while_what_it_needs_ends_is_ended_by_the_next_cycle():
    project = builders.project(slug="vision")
    owner = builders.member(project=project)
    needed = builders.job(project=project)
    with transaction.atomic():
        spec = JobSpec("late", "vision", ("true",), depends_on=(needed.pk,))
        [late] = submit(specs=[spec], owner=owner)
        meanwhile(lambda: actions.cancel(job_id=needed.pk, actor="ann"))
        assert meanwhile(dead_dependencies.cancel_dead) == 0  # nobody sees the late one yet
    cycle.run_cycle()

    assert state_of(late.job) == "cancelled"


def test_a_failed_job_that_is_requeued_at_this_moment_takes_nobody_with_it():
    failed = builders.job(state="failed")
    job = builders.job(depends_on=[failed])
    race(lambda: actions.requeue(job_id=failed.pk, actor="ann"), dead_dependencies.cancel_dead)

    assert state_of(job) == "pending"


def test_a_requeue_that_comes_with_the_sweep_comes_after_it():
    failed = builders.job(state="failed")
    job = builders.job(depends_on=[failed])
    race(dead_dependencies.cancel_dead, lambda: actions.requeue(job_id=failed.pk, actor="ann"))

    assert (state_of(failed), state_of(job)) == ("pending", "cancelled")


def test_two_sweeps_at_once_end_each_job_once():
    job = builders.job(depends_on=[builders.job(state="failed")])
    assert race(dead_dependencies.cancel_dead, dead_dependencies.cancel_dead) == 0

    assert job.events.filter(kind="cancelled").count() == 1


def test_a_plan_that_was_made_before_its_dependent_was_cancelled_does_not_start_it():
    """What it needed had completed when the plan was made, and is requeued and cancelled before it is written."""
    builders.node()
    needed = builders.job(state="completed")
    job = builders.job(depends_on=[needed])

    def turned_back() -> None:
        actions.requeue(job_id=needed.pk, actor="ann")
        actions.cancel(job_id=needed.pk, actor="ann")
        dead_dependencies.cancel_dead()

    result = race(turned_back, cycle.run_cycle)
    assert (result.placed, state_of(job)) == (0, "cancelled")


def test_a_placed_job_is_not_ended_by_what_it_needed():
    builders.node()
    needed = builders.job(state="completed")
    job = builders.job(depends_on=[needed])
    cycle.run_cycle()
    Job.objects.filter(pk=needed.pk).update(state="failed")

    assert (dead_dependencies.cancel_dead(), state_of(job)) == (0, "queued")


def test_nobody_deletes_a_job_that_another_one_is_just_being_made_to_need():
    project = builders.project(slug="vision")
    owner = builders.member(project=project)
    needed = builders.job(project=project, state="completed")
    spec = JobSpec("late", "vision", ("true",), depends_on=(needed.pk,))
    deletes = lambda: job_deletion.delete(Job.objects.filter(pk=needed.pk))  # noqa: E731
    race(lambda: submit(specs=[spec], owner=owner), deletes)

    assert JobDependency.objects.get().needs == needed


def test_a_job_that_is_deleted_at_this_moment_is_unknown_to_who_would_need_it():
    project = builders.project(slug="vision")
    owner = builders.member(project=project)
    needed = builders.job(project=project, state="completed")
    spec = JobSpec("late", "vision", ("true",), depends_on=(needed.pk,))
    refusal = race_for_refusal(lambda: job_deletion.delete(Job.objects.filter(pk=needed.pk)), spec, owner)

    assert "There is no job" in refusal.errors[0].message


def race_for_refusal(first: Callable[[], object], spec: JobSpec, owner: Any) -> Any:
    def second() -> Any:
        try:
            return submit(specs=[spec], owner=owner)
        except TrainyardError as refusal:
            return refusal

    return race(first, second)
