"""Two at once: what people ask of a job at the very moment at which something else happens to it.

The first has done its part and not committed yet; the second, on a connection of its own, has to wait for it.
"""

import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, transaction
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import actions, bulk, verbs
from jobs.control.verbs import ActionRequest
from jobs.models import Job, JobEvent, Placement
from jobs.planning import cycle
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, JobState, PlacementState
from tests import builders
from tests.racing import answer_of, race, somebody_waits
from tests.waiting import wait_for

pytestmark = pytest.mark.django_db(transaction=True)


def ask(verb: Callable[..., Job]) -> Callable[[], Job]:
    return lambda: verb(job_id=the_job().pk, actor="ann")


def ends(reason: EndReason, **fields: Any) -> Callable[[], object]:
    row = Placement.objects.select_related("attempt").get()
    ending = PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason, **fields)
    return lambda: finish([ending])


def claims_it() -> Callable[[], object]:
    row = Placement.objects.select_related("attempt").get()
    return lambda: claims.claim([PlacementRef(row.pk, str(row.attempt.token))], node_id=row.node_id)


def the_job() -> Job:
    return Job.objects.get()


def queued_job() -> Job:
    job = builders.job(state=JobState.QUEUED)
    builders.placement(attempt=builders.attempt(job=job))
    return job


def test_a_pause_that_comes_with_the_end_finds_the_job_completed():
    builders.running_job()
    refusal = race(ends(EndReason.COMPLETED, exit_code=0), ask(actions.pause))

    assert (refusal.state, the_job().state) == ("completed", "completed")


def test_an_end_that_comes_with_a_pause_is_an_end():
    builders.running_job()
    race(ask(actions.pause), ends(EndReason.COMPLETED, exit_code=0))

    assert (the_job().state, the_job().desired) == ("completed", "")


def test_a_node_that_is_lost_at_the_moment_of_the_pause_leaves_the_job_paused():
    builders.running_job()
    race(ask(actions.pause), ends(EndReason.NODE_LOST))

    assert the_job().state == "paused"


def test_a_cancellation_at_the_moment_at_which_the_job_goes_back_in_line_is_not_lost():
    builders.running_job()
    race(ask(actions.cancel), ends(EndReason.PREEMPTED))

    assert the_job().state == "cancelled"


def test_a_cancellation_that_comes_with_a_pause_wins_in_either_order():
    builders.running_job()
    race(ask(actions.pause), ask(actions.cancel))
    assert the_job().desired == "cancel"

    Job.objects.update(desired="")
    refusal = race(ask(actions.cancel), ask(actions.pause))
    assert (refusal.state, the_job().desired) == ("running", "cancel")


def test_a_job_that_is_claimed_at_the_moment_of_its_pause_is_stopped_by_its_node():
    queued_job()
    race(claims_it(), ask(actions.pause))

    assert (the_job().state, the_job().desired) == ("assigned", "pause")


def test_a_claim_that_comes_with_a_pause_gets_nothing():
    queued_job()
    assert race(ask(actions.pause), claims_it()) == []

    assert (the_job().state, Placement.objects.get().state) == ("paused", PlacementState.CLOSED)


@pytest.mark.parametrize("resumed_first", [True, False])
def test_a_resume_at_the_moment_at_which_the_job_has_stopped_puts_it_in_line(resumed_first):
    builders.running_job()
    actions.pause(job_id=the_job().pk, actor="ann")
    stopped = ends(EndReason.PAUSED, exit_code=143, asked=True)

    race(*((ask(actions.resume), stopped) if resumed_first else (stopped, ask(actions.resume))))

    assert (the_job().state, the_job().desired, the_job().out_of_line_since) == ("pending", "", None)


def test_a_plan_that_was_made_before_a_hold_does_not_start_the_job():
    builders.node()
    builders.job()
    result = race(ask(actions.hold), cycle.run_cycle)

    assert (result.placed, the_job().state, the_job().held_by) == (0, "pending", "ann")


def test_a_hold_that_comes_with_a_start_is_refused():
    builders.node()
    builders.job()
    refusal = race(cycle.run_cycle, ask(actions.hold))

    assert (refusal.state, the_job().held_at) == ("queued", None)


def test_a_suspension_at_the_moment_at_which_the_node_is_lost_leaves_the_job_paused():
    builders.running_job()
    race(ask(actions.suspend), ends(EndReason.NODE_LOST))

    assert (the_job().state, the_job().suspended_at) == ("paused", None)


def test_of_two_requests_to_resume_one_is_granted():
    builders.job(state="paused", out_of_line_since=timezone.now())
    refusal = race(ask(actions.resume), ask(actions.resume))

    assert (refusal.state, the_job().state) == ("pending", "pending")


def test_a_bulk_cancellation_that_meets_an_end_finds_the_job_completed():
    builders.running_job()
    outcome = race(
        ends(EndReason.COMPLETED, exit_code=0), lambda: bulk.grant(verbs.cancel, [the_job().pk], ActionRequest("ann"))
    )

    assert (the_job().state, list(outcome.changed), len(outcome.refusals)) == ("completed", [], 1)


def test_two_bulk_cancellations_at_once_cancel_each_job_once():
    jobs = [builders.job().pk for _ in range(3)]
    outcome = race(
        lambda: bulk.grant(verbs.cancel, jobs[:2], ActionRequest("ann")),
        lambda: bulk.grant(verbs.cancel, jobs[::-1], ActionRequest("bob")),
    )

    assert (list(outcome.changed), sorted(outcome.refusals)) == (jobs[2:], jobs[:2])
    assert JobEvent.objects.filter(kind="cancelled").count() == 3


def test_who_is_chosen_in_a_circle_of_locks_asks_again(monkeypatch):
    first, second = builders.job(), builders.job()

    def locks(job: Job) -> None:
        list(Job.objects.select_for_update().filter(pk=job.pk))

    def backwards() -> None:
        locks(second)
        wait_for(somebody_waits, message="the bulk cancellation to wait")
        locks(first)

    with ThreadPoolExecutor() as pool:
        other = pool.submit(answer_of, transaction.atomic(backwards))
        wait_for(lambda: is_locked(second), message="the other to hold its lock")
        outcome = bulk.grant(verbs.cancel, [first.pk, second.pk], ActionRequest("ann"))
    with contextlib.suppress(OperationalError):
        other.result()
    assert len(outcome.changed) == 2


def is_locked(job: Job) -> bool:
    with transaction.atomic():
        return not Job.objects.select_for_update(skip_locked=True).filter(pk=job.pk).exists()
