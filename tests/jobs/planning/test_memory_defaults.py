"""A job that names no memory cannot pass a quota of memory with nothing."""

import pytest

from jobs.models import Job, JobEvent, Placement
from jobs.planning import cycle
from jobs.reports.quote import quote
from jobs.submission.job_spec import JobSpec
from jobs.submission.submit import submit
from quotas.models import Quota
from scheduling.errors import InvalidError
from tests import builders
from tests.racing import hold, race

pytestmark = pytest.mark.django_db
GB = 1024


@pytest.fixture
def team():
    """A project below one whose memory is limited to 6 GB."""
    parent = builders.project(slug="lab")
    Quota.objects.update_or_create(project=parent, defaults={"memory_mb": 6 * GB})
    return builders.project(slug="vision", parent=parent)


def spec(**fields) -> JobSpec:
    return JobSpec(**{"name": "train", "project": "vision", "command": ("true",), **fields})


@pytest.mark.parametrize(
    ("asks", "memory_gb"), [({}, 2), ({"cpus": 2}, 4), ({"gpus": 0, "memory_mb": 700}, 700 / 1024), ({"cpus": 3}, 6)]
)
def test_a_job_under_a_quota_of_memory_has_an_amount(team, asks, memory_gb):
    submit(specs=[spec(**asks)], owner=builders.member(project=team))

    assert Job.objects.get().memory_mb == memory_gb * GB


def test_its_history_says_where_the_amount_comes_from(team):
    submit(specs=[spec(), spec(memory_mb=GB)], owner=builders.member(project=team))

    told = JobEvent.objects.order_by("job_id").values_list("message", flat=True)
    assert ["it gets 2 GB on each node" in one for one in told] == [True, False]


def test_no_more_of_them_start_than_the_quota_allows(team):
    builders.node(cpus=64, memory_mb=100 * GB)
    submit(specs=[spec() for _ in range(5)], owner=builders.member(project=team))

    assert cycle.run_cycle().placed == 3
    assert list(Placement.objects.values_list("memory_mb", flat=True)) == [2 * GB] * 3


def test_a_default_beyond_the_quota_is_refused_with_where_it_comes_from(team):
    with pytest.raises(InvalidError) as caught:
        submit(specs=[spec(cpus=4)], owner=builders.member(project=team))

    [fault] = caught.value.errors
    assert fault.field == "resources.memory_gb"
    assert "allows at most 6 GB" in fault.message
    assert "names no memory" in fault.message


@pytest.mark.parametrize(
    "door", [lambda one, owner: submit(specs=[one], owner=owner), lambda one, owner: quote([one], owner)]
)
def test_without_a_default_the_job_has_to_name_its_memory(team, settings, door):
    settings.DEFAULT_MEMORY_GB_PER_CPU = settings.DEFAULT_MEMORY_GB_PER_GPU = 0

    with pytest.raises(InvalidError) as caught:
        door(spec(), builders.member(project=team))

    assert [fault.field for fault in caught.value.errors] == ["resources.memory_gb"]


def test_where_no_quota_limits_memory_none_is_asked_for():
    submit(specs=[spec()], owner=builders.member(project=builders.project(slug="vision")))

    assert Job.objects.get().memory_mb == 0


def test_a_job_that_waited_before_the_quota_came_gets_its_amount_before_it_starts(team):
    builders.node(cpus=64, memory_mb=100 * GB)
    jobs = [builders.job(project=team) for _ in range(4)]

    placed = cycle.run_cycle().placed
    again = cycle.run_cycle().placed

    assert (placed, again) == (3, 0)
    assert JobEvent.objects.filter(kind="memory").count() == len(jobs)


def test_a_job_that_has_no_default_is_told_once(team, settings):
    settings.DEFAULT_MEMORY_GB_PER_CPU = 0
    builders.job(project=team)

    cycle.run_cycle()

    assert not JobEvent.objects.filter(kind="memory").exists()


@pytest.mark.django_db(transaction=True)
def test_a_cycle_that_gives_amounts_locks_in_the_order_of_ids():
    team = builders.project(quota={"memory_mb": 6 * GB})
    builders.node(cpus=64, memory_mb=100 * GB)
    low, bare = builders.job(project=team, memory_mb=GB), builders.job(project=team)

    placed = race(hold(low), cycle.run_cycle, meanwhile=hold(bare)).placed

    assert placed == 2
