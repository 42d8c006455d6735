"""States change by compare-and-set, and each change leaves an event."""

import threading

import pytest
from django.db import connection, transaction

from jobs.models import Job, JobEvent
from jobs.state import transitions
from jobs.state.transitions import Transition
from scheduling.lifecycle import MOVES, JobState
from tests import builders

pytestmark = pytest.mark.django_db


def move(job: Job, to: JobState, **fields) -> Transition:
    return Transition(
        job_id=job.pk, to=to, kind=str(to), expected=fields.pop("expected", frozenset(JobState)), **fields
    )


def test_a_move_writes_state_and_event_together():
    job = builders.job()

    moved = transitions.apply([move(job, JobState.QUEUED, message="Placed.", data={"node": "n1"}, actor="planner")])

    event = JobEvent.objects.get(job=job)
    job.refresh_from_db()
    assert moved[job.pk].was == JobState.PENDING
    assert job.state == JobState.QUEUED
    assert (event.from_state, event.to_state, event.message, event.data, event.actor) == (
        "pending", "queued", "Placed.", {"node": "n1"}, "planner",
    )  # fmt: skip


def test_a_job_that_is_elsewhere_by_now_does_not_move():
    job = builders.job(state=JobState.CANCELLED)

    moved = transitions.apply([move(job, JobState.QUEUED, expected=frozenset({JobState.PENDING}))])

    job.refresh_from_db()
    assert moved == {}
    assert job.state == JobState.CANCELLED
    assert not JobEvent.objects.exists()


@pytest.mark.parametrize(("old", "new"), [(old, new) for old in JobState for new in JobState if new not in MOVES[old]])
def test_moves_outside_the_table_do_not_happen(old, new):
    job = builders.job(state=old)

    assert transitions.apply([move(job, new)]) == {}


def test_a_stale_attempt_moves_nothing():
    job = builders.job(state=JobState.RUNNING, attempt=2)

    assert transitions.apply([move(job, JobState.COMPLETED, attempt=1)]) == {}


def test_a_transaction_that_rolls_back_leaves_neither_state_nor_event():
    job = builders.job()

    with transaction.atomic():
        transitions.apply([move(job, JobState.QUEUED)])
        transaction.set_rollback(True)

    job.refresh_from_db()
    assert job.state == JobState.PENDING
    assert not JobEvent.objects.exists()


def test_many_jobs_move_in_a_fixed_number_of_queries(django_assert_num_queries):
    jobs = [builders.job() for _ in range(20)]

    with django_assert_num_queries(3):  # lock, update, events
        moved = transitions.apply([move(job, JobState.QUEUED) for job in jobs])

    assert len(moved) == 20


def test_the_next_attempt_is_counted_with_the_move():
    job = builders.job(attempt=3)

    moved = transitions.apply([move(job, JobState.QUEUED, next_attempt=True)])

    job.refresh_from_db()
    assert (job.attempt, moved[job.pk].attempt) == (4, 4)


@pytest.mark.django_db(transaction=True)
def test_of_two_movers_at_once_one_wins():
    job = builders.job()
    start = threading.Barrier(4)
    wins: list[int] = []

    def race() -> None:
        start.wait()
        wins.extend(transitions.apply([move(job, JobState.QUEUED, expected=frozenset({JobState.PENDING}))]))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wins == [job.pk]
    assert JobEvent.objects.filter(job=job).count() == 1
