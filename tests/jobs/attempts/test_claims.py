"""A placement is claimed once, by the node that it is on, with the token of the present attempt."""

import threading
import uuid
from datetime import timedelta

import pytest
from django.conf import settings
from django.db import connection
from django.utils import timezone

from jobs.attempts import claims
from jobs.control import actions
from jobs.models import Job, JobEvent, Placement
from jobs.state.outcome import PlacementRef
from quotas.clock import database_now
from scheduling.lifecycle import JobState, PlacementState
from tests import builders
from tests.racing import hold, race
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def placement():
    job = builders.job(state=JobState.QUEUED, env={"SEED": "1"}, command=["python", "train.py"])
    return builders.placement(attempt=builders.attempt(job=job), node=builders.node(gpus=2), gpu_indices=[1])


def ref(placement: Placement) -> PlacementRef:
    return PlacementRef(placement.pk, str(placement.attempt.token))


def test_a_claim_brings_all_that_is_needed_to_run(placement):
    [claimed] = claims.claim([ref(placement)], node_id=placement.node_id)

    placement.refresh_from_db()
    assert (claimed.command, claimed.env, claimed.gpu_indices) == (("python", "train.py"), {"SEED": "1"}, (1,))
    assert placement.state == PlacementState.CLAIMED
    assert placement.lease_expires_at is not None
    assert Job.objects.get().state == JobState.ASSIGNED


def test_the_second_ticket_for_a_placement_gets_nothing(placement):
    claims.claim([ref(placement)], node_id=placement.node_id)

    assert claims.claim([ref(placement)], node_id=placement.node_id) == []
    assert JobEvent.objects.filter(kind="claimed").count() == 1


def test_a_wrong_token_or_a_wrong_node_gets_nothing(placement):
    forged = PlacementRef(placement.pk, str(uuid.uuid4()))

    assert claims.claim([forged], node_id=placement.node_id) == []
    assert claims.claim([ref(placement)], node_id=builders.node().pk) == []


def test_a_job_that_was_cancelled_meanwhile_is_not_claimed(placement):
    actions.cancel(job_id=placement.attempt.job_id, actor="ann")

    assert claims.claim([ref(placement)], node_id=placement.node_id) == []


@pytest.mark.django_db(transaction=True)
def test_five_tickets_at_once_start_one_run():
    job = builders.job(state=JobState.QUEUED)
    placement = builders.placement(attempt=builders.attempt(job=job))
    start = threading.Barrier(5)
    won = []

    def race() -> None:
        start.wait()
        won.extend(claims.claim([ref(placement)], node_id=placement.node_id))
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(won) == 1


def test_a_start_is_recorded_once(placement):
    claims.claim([ref(placement)], node_id=placement.node_id)
    now = timezone.now()

    first = claims.started({ref(placement): now}, node_id=placement.node_id)
    second = claims.started({ref(placement): now}, node_id=placement.node_id)

    job = Job.objects.get()
    assert (first, second) == (frozenset({placement.pk}), frozenset())
    assert (job.state, job.started_at) == (JobState.RUNNING, now)


def test_renewal_extends_leases_and_brings_wishes(placement):
    claims.claim([ref(placement)], node_id=placement.node_id)
    soon = timezone.now() + timedelta(seconds=1)
    Placement.objects.update(lease_expires_at=soon)
    actions.cancel(job_id=placement.attempt.job_id, actor="ann")

    renewal = claims.renew([ref(placement)], node_id=placement.node_id)

    placement.refresh_from_db()
    assert placement.lease_expires_at > soon
    assert renewal.kept == {placement.pk}
    assert renewal.desired == {placement.pk: "cancel"}


def test_a_lease_that_was_taken_away_is_not_renewed(placement):
    claims.claim([ref(placement)], node_id=placement.node_id)
    Placement.objects.update(state=PlacementState.CLOSED, closed_at=timezone.now())

    assert claims.renew([ref(placement)], node_id=placement.node_id).kept == frozenset()


def test_a_forged_token_renews_nothing(placement):
    claims.claim([ref(placement)], node_id=placement.node_id)
    before = Placement.objects.get().lease_expires_at

    renewal = claims.renew([PlacementRef(placement.pk, str(uuid.uuid4()))], node_id=placement.node_id)

    assert renewal.kept == frozenset()
    assert Placement.objects.get().lease_expires_at == before


def test_the_token_of_another_placement_of_the_same_node_renews_nothing():
    node = builders.node()
    mine, other = (builders.placement(node=node, state=PlacementState.RUNNING) for _ in range(2))

    crossed = [PlacementRef(mine.pk, str(other.attempt.token)), PlacementRef(other.pk, str(mine.attempt.token))]

    assert claims.renew(crossed, node_id=node.pk).kept == frozenset()


def test_leases_of_many_runs_cost_one_statement(django_assert_num_queries):
    node = builders.node()
    refs = [ref(builders.placement(node=node, state=PlacementState.RUNNING)) for _ in range(20)]

    with django_assert_num_queries(1):
        assert len(claims.renew(refs, node_id=node.pk).kept) == 20


def test_the_clock_of_the_node_has_no_part_in_a_lease(placement, monkeypatch):
    claims.claim([ref(placement)], node_id=placement.node_id)
    monkeypatch.setattr("time.time", lambda: 0.0)

    claims.renew([ref(placement)], node_id=placement.node_id)

    placement.refresh_from_db()
    left = placement.lease_expires_at - database_now()
    assert timedelta(0) < left <= timedelta(seconds=settings.LEASE_SECONDS)


def test_an_agent_whose_node_another_one_speaks_for_now_claims_nothing(placement):
    mine, other = uuid.uuid4(), uuid.uuid4()
    Node.objects.update(agent_id=other)

    assert claims.claim([ref(placement)], node_id=placement.node_id, agent_id=mine) == []
    assert len(claims.claim([ref(placement)], node_id=placement.node_id, agent_id=other)) == 1
    assert Placement.objects.get().claimed_by == other


@pytest.mark.django_db(transaction=True)
def test_leases_are_renewed_in_the_order_of_ids():
    node = builders.node()
    first, second = (builders.attempt(job=builders.job(state=JobState.RUNNING)) for _ in range(2))
    low, high = (builders.placement(attempt=of, node=node, state=PlacementState.RUNNING) for of in (second, first))
    low.save()  # whichever table a plain update began with, it would come to the lower id last
    refs = [ref(high), ref(low)]

    renewal = race(hold(low), lambda: claims.renew(refs, node_id=node.pk), meanwhile=hold(high))

    assert renewal.kept == {low.pk, high.pk}
