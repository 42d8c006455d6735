"""What users of projects have used: put on record when placements close, decayed since, with what runs on top."""

import math
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.attempts.charge import charge
from jobs.attempts.completion import finish
from jobs.models import Placement
from jobs.models.planning import UsageTally
from jobs.planning.snapshot import take_snapshot
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from scheduling.planning.ordering import order_pending
from tests import builders

pytestmark = pytest.mark.django_db
HOUR = 3_600


@pytest.fixture(autouse=True)
def half_life_of_an_hour(settings):
    settings.HALF_LIFE_SECONDS = HOUR


def running(seconds, **fields):
    """The open placement of a job that has held its node for so long."""
    job = builders.running_job(**fields)
    Placement.objects.filter(attempt__job=job).update(created_at=timezone.now() - timedelta(seconds=seconds))
    return Placement.objects.select_related("attempt").get(attempt__job=job)


def end(*placements):
    finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.COMPLETED) for row in placements])


def used():
    return {(one.project, one.owner): one.used for one in take_snapshot().usage}


def projects_in_line():
    taken = take_snapshot()
    return [job.project for job in order_pending(taken, taken.taken_at).jobs]


def test_what_a_job_used_is_the_same_before_and_after_its_end():
    vision, ada = builders.project(slug="vision"), builders.user(username="ada")
    placement = running(HOUR, project=vision, owner=ada, gpu_indices=[0, 1])
    before = used()

    end(placement)

    # Two GPUs for one half-life: half of what they would have used up for ever.
    assert used() == pytest.approx({("vision", "ada"): 2 * 0.5 * HOUR / math.log(2)}, rel=0.01)
    assert used() == pytest.approx(before, rel=0.01)


def test_eight_cpus_are_charged_like_one_gpu_and_of_both_the_dearer_counts():
    node = builders.node(cpus=64, gpus=4)
    vision, speech = builders.project(slug="vision"), builders.project(slug="speech")
    end(running(600, project=vision, node=node, cpus=16), running(600, project=speech, node=node, gpu_indices=[0, 1]))
    assert used()["vision", ""] == pytest.approx(used()["speech", ""], rel=0.01)


def test_many_ends_of_one_account_add_up_and_accounts_stay_apart(django_assert_num_queries):
    vision, ada, bob = builders.project(slug="vision"), builders.user(username="ada"), builders.user(username="bob")
    rows = [running(100, project=vision, owner=owner, gpu_indices=[0]) for owner in (ada, ada, bob, None)]
    with django_assert_num_queries(1):
        charge(rows)
    sums = {tally.owner and tally.owner.username: tally.used for tally in UsageTally.objects.select_related("owner")}
    assert sums == pytest.approx({"ada": 198, "bob": 99, None: 99}, rel=0.02)


def test_what_is_on_record_falls_by_half_in_each_half_life_also_when_it_is_added_to():
    vision = builders.project(slug="vision")
    UsageTally.objects.create(project=vision, used=1_000, as_of=timezone.now() - timedelta(seconds=HOUR))
    assert used() == pytest.approx({("vision", ""): 500}, rel=0.01)

    charge([running(1, project=vision, gpu_indices=[0])])
    assert UsageTally.objects.get().used == pytest.approx(501, rel=0.01)


def test_a_very_old_record_is_nothing_and_breaks_nothing():
    vision = builders.project(slug="vision")
    UsageTally.objects.create(project=vision, used=1e9, as_of=timezone.now() - timedelta(days=20_000))
    assert used() == {}
    charge([running(60, project=vision, gpu_indices=[0])])
    assert UsageTally.objects.get().used == pytest.approx(60, rel=0.05)


def test_a_placement_of_an_attempt_that_was_lost_is_charged_too():
    placement = running(600, project=builders.project(slug="vision"), gpu_indices=[0])
    finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), EndReason.NODE_LOST)])
    assert used()["vision", ""] == pytest.approx(600, rel=0.15)


def test_the_one_who_used_less_goes_first(settings):
    settings.SCHEDULING_POLICY = "fairshare"
    builders.node(cpus=1)
    vision, speech = builders.project(slug="vision"), builders.project(slug="speech")
    end(running(600, project=vision, gpu_indices=[0]))
    builders.job(project=vision), builders.job(project=speech)

    assert projects_in_line() == ["speech", "vision"]


def test_a_project_of_twice_the_weight_may_use_twice_as_much(settings):
    settings.SCHEDULING_POLICY = "fairshare"
    vision, speech = builders.project(slug="vision", weight=3), builders.project(slug="speech")
    end(running(600, project=vision, gpu_indices=[0, 1]), running(600, project=speech, gpu_indices=[0]))
    builders.job(project=speech), builders.job(project=vision)

    assert projects_in_line() == ["vision", "speech"]
