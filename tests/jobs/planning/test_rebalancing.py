"""Moves that make room together: shown to the operator, or made."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Cycle, Job, JobMove, Placement, Preemption
from jobs.planning import cycle, rebalancing
from jobs.planning.snapshot import take_snapshot
from scheduling.lifecycle import EndReason
from tests import builders
from tests.admin_pages import operator, page
from tests.jobs.planning.test_preemption import ended, fresh
from tests.rest import V1, client_of
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _due(monkeypatch):
    monkeypatch.setattr(rebalancing, "pace", rebalancing.RebalanceInterval())


def on(node, minutes=1):
    """A job that holds half a node, wrote a checkpoint so many minutes ago, and has run for long enough."""
    return builders.running_job(
        node=builders.node(name=node, cpus=4), cpus=2, checkpointable=True, preemptible=True, max_runtime_seconds=90_000,
        started_at=timezone.now() - timedelta(hours=2), checkpoint_at=timezone.now() - timedelta(minutes=minutes),
    )  # fmt: skip


@pytest.fixture
def halves():
    """Two nodes, each half full, and a job as wide as a node."""
    return on("n1"), on("n2", minutes=5), builders.job(cpus=4, max_runtime_seconds=3600)


def test_it_is_off_unless_it_is_wanted(halves, settings):
    assert settings.REBALANCING == "off"
    cycle.run_cycle()

    assert Cycle.objects.get().proposals == []


def test_a_proposal_is_shown_and_nobody_is_told(halves, settings):
    settings.REBALANCING = "propose"
    mover, other, wide = halves

    cycle.run_cycle()

    (proposal,) = client_of(builders.user()).get(f"{V1}/jobs/scheduler/info").json()["rebalancing"]["proposals"]
    assert (proposal["for_job"], proposal["nodes"]) == (wide.pk, ["n1"])
    assert [(move["job"], move["node"], move["target"]) for move in proposal["moves"]] == [(mover.pk, "n1", "n2")]
    assert proposal["gain"] > 2 * proposal["cost"] > 0
    assert f"job {mover.pk}</a> from n1 to n2" in page(operator(), "/admin/")
    assert {fresh(job).desired for job in (mover, other)} == {""}


def test_a_move_that_is_made_is_a_preemption_with_a_target(halves, settings):
    settings.REBALANCING = "on"
    mover, other, wide = halves

    cycle.run_cycle()

    row = Preemption.objects.get()
    assert (row.attempt.job_id, row.for_job_id, row.strategy, row.target) == (mover.pk, wide.pk, "rebalance", "n2")
    assert (fresh(mover).desired, fresh(other).desired, fresh(wide).promised) == ("preempt", "", True)


def test_both_run_once_the_mover_has_stopped(halves, settings):
    settings.REBALANCING = "on"
    mover, other, wide = halves
    cycle.run_cycle()
    ended(mover, EndReason.PREEMPTED, exit_code=143)
    near = {job.id: job.near for job in take_snapshot().waiting}

    cycle.run_cycle()

    assert near[mover.pk] == ("n2", "n1")
    places = dict(Placement.objects.filter(closed_at=None).values_list("attempt__job_id", "node__name"))
    assert places == {wide.pk: "n1", mover.pk: "n2", other.pk: "n2"}
    assert fresh(mover).retries_used == 0


def test_the_room_that_a_mover_goes_to_is_kept_for_it_and_the_move_is_in_the_history(halves, settings):
    settings.REBALANCING = "on"
    mover, _, wide = halves
    cycle.run_cycle()
    urgent = builders.job(cpus=2, priority=90, max_runtime_seconds=60)
    cycle.run_cycle()
    assert fresh(urgent).state == "pending"
    ended(mover, EndReason.PREEMPTED, exit_code=143)

    cycle.run_cycle()

    row = JobMove.objects.get()
    assert (row.origin, row.sources, row.targets, row.for_job) == ("rebalancing", ["n1"], ["n2"], wide.pk)
    assert row.reason == f"Makes room for job {wide.pk}."
    assert fresh(mover).node.name == "n2"


def test_a_mover_whose_target_goes_away_meanwhile_goes_back_where_it_was(halves, settings):
    settings.REBALANCING = "on"
    mover, _, wide = halves
    cycle.run_cycle()
    Node.objects.filter(name="n2").update(state="draining")
    Job.objects.filter(pk=wide.pk).update(state="cancelled", finished_at=timezone.now(), promised=False)
    ended(mover, EndReason.PREEMPTED, exit_code=143)

    cycle.run_cycle()

    assert (fresh(mover).node.name, JobMove.objects.get().state) == ("n1", "failed")


def test_moves_are_not_looked_for_in_each_cycle(halves, settings):
    settings.REBALANCING = "propose"
    cycle.run_cycle()
    Cycle.objects.update(proposals=[])
    cycle.run_cycle()

    assert Cycle.objects.get().proposals == []


def test_no_more_are_moved_in_an_hour_than_allowed(halves, settings):
    settings.REBALANCING, settings.REBALANCING_MAX_PER_HOUR = "on", 1
    earlier = on("n3")
    Preemption.objects.create(attempt=earlier.attempts.get(), strategy="rebalance", lost_seconds=1)
    Job.objects.filter(pk=earlier.pk).update(checkpointable=False)

    cycle.run_cycle()

    assert Preemption.objects.count() == 1
