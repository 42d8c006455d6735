"""A quota on GPU time ahead over its doors: set in hours, refused at submission, planned with, and shown."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import Attempt, Job
from jobs.planning.cycle import run_cycle
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from quotas.models import Quota
from scheduling.errors import InvalidError
from tests import builders
from tests.rest import V1, client_of, faults

HOUR = 3_600
pytestmark = pytest.mark.django_db


@pytest.fixture
def team():
    above = builders.project(slug="organisation", quota={"gpu_seconds_ahead": 20 * HOUR})
    return builders.project(slug="team", parent=above)


@pytest.fixture
def ann(team):
    return builders.member(project=team, user=builders.user(username="ann"))


def spec(hours=1, **fields):
    limit = None if hours is None else int(hours * HOUR)
    return replace(JobSpec(name="train", project="team", command=("true",), max_runtime_seconds=limit), **fields)


def refused(owner, *specs):
    with pytest.raises(InvalidError) as caught:
        submit(specs=list(specs), owner=owner)
    return {one.field: one.message for one in caught.value.errors}


def test_what_alone_is_too_much_is_refused_with_the_level_and_what_would_do(ann):
    builders.node(gpus=8)
    assert refused(ann, spec(6, gpus=4)) == {
        "max_runtime_seconds": "The quota of project organisation allows 20 GPU-hours ahead; this job alone may use 24 "
        "up to its limit of 6h: set one of at most 5h, or ask for fewer GPUs."
    }


def test_a_job_with_gpus_needs_a_limit_unless_its_queue_has_one_for_it(ann):
    builders.node(gpus=8)
    builders.queue(name="short", default_runtime_seconds=HOUR)
    assert "so a job with GPUs needs a time limit" in refused(ann, spec(None, gpus=1))["max_runtime_seconds"]
    [made, other] = submit(specs=[spec(None, gpus=1, queue="short"), spec(None)], owner=ann)
    assert (made.job.max_runtime_seconds, other.job.max_runtime_seconds) == (HOUR, None)


def test_a_cycle_starts_what_is_within_it_and_tells_the_rest_why(ann):
    builders.node(gpus=8)
    submit(specs=[spec(4, gpus=4), spec(3, gpus=2)], owner=ann)

    run_cycle()

    first, second = Job.objects.order_by("pk")
    assert (first.state, second.state) == ("queued", "pending")
    [reason] = second.reasons
    assert "allows 20 GPU-hours ahead (16 now); this job may use 6 up to its limit of 3h" in reason["sentence"]
    assert (reason["code"], reason["held_by"]) == ("quota", [first.pk])
    told = client_of(ann).get(f"{V1}/jobs/{second.pk}/explain").json()
    assert [one["to"] for one in told["changes"] if one["field"] == "quota"] == [
        {"organisation": {"gpu_hours_ahead": 22}}
    ]


def test_what_has_run_off_is_free_again(ann):
    builders.node(gpus=8)
    submit(specs=[spec(4, gpus=4), spec(3, gpus=2)], owner=ann)
    run_cycle()
    Attempt.objects.update(started_at=timezone.now() - timedelta(hours=1))

    run_cycle()

    assert {job.state for job in Job.objects.all()} == {"queued"}


def test_it_is_set_in_hours_from_above_and_shown_with_what_is_ahead(team, ann):
    staff = client_of(builders.user(staff=True))
    where = f"{V1}/queues/quota/team"
    builders.node(gpus=8)
    wanted = {"limits": {"gpu_hours_ahead": 12.5}, "user_limits": {"gpu_hours_ahead": 8}}
    answer = staff.patch(where, wanted).json()
    assert (answer["limits"]["gpu_hours_ahead"], answer["user_limits"]["gpu_hours_ahead"]) == (12.5, 8)
    assert Quota.objects.get(project=team).gpu_seconds_ahead == 45_000

    submit(specs=[spec(4, gpus=2)], owner=ann)
    run_cycle()

    own = client_of(ann).get(where).json()
    assert (own["usage"]["gpu_hours_ahead"], own["user_usage"]["gpu_hours_ahead"]) == (8, 8)
    assert own["available"]["gpu_hours_ahead"] == pytest.approx(4.5, abs=0.02)
    [bar] = [one for one in own["bars"] if one["resource"] == "gpu_hours_ahead"]
    assert bar["sentence"] == "8 of 12.5 GPU-hours ahead"
    assert client_of(ann).patch(where, wanted).status_code == 403
    cleared = staff.patch(where, {"limits": {"gpu_hours_ahead": None}}).json()
    assert cleared["limits"]["gpu_hours_ahead"] is None


def test_what_nobody_limits_is_not_counted():
    builders.project(slug="free")
    answer = client_of(builders.user(staff=True)).get(f"{V1}/queues/quota/free").json()
    assert answer["usage"]["gpu_hours_ahead"] is None


@pytest.mark.parametrize("hours", [-1, 0.125, 1e308, 10**9 + 1, True, "many"])
def test_nonsense_is_refused_by_name(team, hours):
    staff = client_of(builders.user(staff=True))
    for of in ("limits", "user_limits"):
        assert set(faults(staff.patch(f"{V1}/queues/quota/team", {of: {"gpu_hours_ahead": hours}}))) == {
            f"{of}.gpu_hours_ahead"
        }
