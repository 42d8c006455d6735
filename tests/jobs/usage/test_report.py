"""Reports of what was used: the same from the record and from what happened, exact at every border, in every place."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from jobs.usage import report, rollup
from jobs.usage.report import Scope
from tests import builders
from tests.jobs.usage.yard import DAY, at, forget_everything, ran, roll_up

pytestmark = pytest.mark.django_db
BERLIN, KOLKATA = ZoneInfo("Europe/Berlin"), ZoneInfo("Asia/Kolkata")


@pytest.fixture(autouse=True)
def days_later(monkeypatch):
    monkeypatch.setattr(rollup, "database_now", lambda: at(30.5))


def used(group_by="project", since=0.0, until=48.0, *, period=None, zone=UTC, scope=None, limit=1000):
    spans = report.periods(period, zone, at(since), at(until))
    return report.report(scope or Scope(), spans, group_by=group_by, limit=limit)


def gpu_hours(*arguments, **options):
    return {row.key: row.hours("gpu") for row in used(*arguments, **options).rows}


def by_period(**options):
    return {row.start: row.hours("gpu") for row in used(**options).rows}


@pytest.fixture(params=["from the record", "from what happened", "from both"])
def wherever(request, monkeypatch):
    """The same questions before hours are on record, when some are, and when all are."""
    if request.param == "from what happened":
        return lambda: None
    if request.param == "from both":
        monkeypatch.setattr(rollup, "database_now", lambda: at(2.5))
    return roll_up


def test_a_project_has_used_what_everything_below_it_has(wherever):
    org = builders.project(slug="org")
    team = builders.project(slug="team", parent=org)
    ran(0.5, 3, project=team)
    ran(1, 2, project=org, gpus=(0, 1))
    ran(0, 1, project=builders.project(slug="other"))
    wherever()
    assert gpu_hours() == {"org": 4.5, "team": 2.5, "other": 1}
    assert used().total.hours("gpu") == 5.5
    below = Scope(projects=[org.pk, team.pk])
    assert gpu_hours(scope=below) == {"org": 4.5, "team": 2.5}


def test_usage_by_user_queue_hardware_node_and_label(wherever):
    ada = builders.user(username="ada")
    node = builders.node(name="n1", gpus=2)
    ran(0, 2, owner=ada, queue="batch", node=node, labels={"team": "vision"})
    ran(0.5, 1.5, gpus=(), cpus=4, node=builders.node(name="n2"))
    wherever()
    assert {row.key: row.hours("cpu") for row in used("user").rows} == {"ada": 16, "": 4}
    assert gpu_hours("queue") == {"batch": 2, "default": 0}
    assert gpu_hours("hardware") == {"NVIDIA H100": 2, "cpu": 0}
    assert gpu_hours("node") == {"n1": 2, "n2": 0}
    assert gpu_hours("label:team") == {"vision": 2, "": 0}
    assert gpu_hours("user", scope=Scope(labels={"team": "vision"})) == {"ada": 2}
    assert gpu_hours("user", scope=Scope(node="n2")) == {"": 0}


def test_borders_inside_an_hour_split_it(wherever):
    ran(0.25, 3.75)
    wherever()
    assert gpu_hours("queue", since=0.5, until=3.5) == {"default": 3}
    assert gpu_hours("queue", since=1.25, until=1.5) == {"default": 0.25}
    assert sum(by_period(group_by="queue", period="hour", zone=KOLKATA, until=5).values()) == 3.5
    assert by_period(group_by="queue", period="hour", zone=KOLKATA, until=2) == {at(0): 0.25, at(0.5): 1, at(1.5): 0.5}


def test_days_are_those_of_the_place(wherever):
    ran(18, 28)
    wherever()
    # Midnight in Berlin is 22:00 UTC, in Kolkata 18:30 UTC.
    assert by_period(group_by="queue", period="day", zone=BERLIN) == {at(0): 4, at(22): 6}
    assert by_period(group_by="queue", period="day", zone=KOLKATA) == {at(0): 0.5, at(18.5): 9.5}


def test_a_day_of_23_and_one_of_25_hours(monkeypatch):
    monkeypatch.setattr(rollup, "database_now", lambda: datetime(2026, 11, 1, tzinfo=UTC))
    spring, autumn = (datetime(2026, 3, 28, 23, tzinfo=UTC), datetime(2026, 10, 24, 22, tzinfo=UTC))
    hours = (spring - DAY) / timedelta(hours=1)
    ran(hours, hours + 24 * 250)
    roll_up()
    for day, length in ((spring, 23), (autumn, 25)):
        spans = report.periods("day", BERLIN, day, day + timedelta(days=3))
        found = report.report(Scope(), spans, group_by="queue", limit=10).rows
        assert [row.hours("gpu") for row in found][:2] == [length, 24]


def test_waits_have_a_median_and_a_p95_over_all_periods(wherever):
    for minutes in range(20):
        ran(1 + minutes / 10, 5, started=1 + minutes / 10 + minutes / 60, submitted=1 + minutes / 10)
    wherever()
    (row,) = used("queue").rows
    assert row.waits.starts == 20
    assert row.waits.median == pytest.approx(9.5 * 60)
    assert row.waits.p95 == pytest.approx(18.05 * 60)


def test_what_was_not_measured_has_no_utilisation(wherever):
    job = ran(0, 2)
    wherever()
    assert (used().total.utilisation, used().total.idle_gpu_hours) == ({"gpu": None, "cpu": None}, None)
    assert job.attempts.count() == 1


def test_utilisation_and_idle_hours_of_what_was_measured():
    attempt = ran(0, 2, gpus=(0, 1)).attempts.get()
    attempt.gpu_busy_seconds, attempt.gpu_measured_seconds, attempt.cpu_seconds = 3600, 4 * 3600, 8 * 3600
    attempt.save()
    roll_up()
    total = used().total
    assert total.utilisation == {"gpu": 0.25, "cpu": 0.5}
    assert total.idle_gpu_hours == 3
    assert (total.energy, total.idle_held_gpu_hours) == ({"gpu": None, "cpu": None}, 0)


def test_energy_in_kilowatt_hours_and_hours_of_gpus_without_work(wherever):
    attempt = ran(0, 2, gpus=(0, 1)).attempts.get()
    attempt.gpu_measured_seconds, attempt.gpu_idle_seconds, attempt.gpu_joules = 4 * 3600, 5400, 1.8e6
    attempt.save()
    wherever()
    total = used().total
    assert (total.energy, total.idle_held_gpu_hours) == ({"gpu": 0.5, "cpu": None}, 1.5)


def test_what_still_runs_counts_until_now(monkeypatch):
    now = datetime.now(UTC)
    monkeypatch.setattr(rollup, "database_now", lambda: now)
    hours = (now - DAY) / timedelta(hours=1)
    ran(hours - 2.5)
    assert used(since=hours - 24, until=hours + 24, group_by="queue").total.hours("gpu") == pytest.approx(2.5, abs=0.05)


def test_the_record_outlives_jobs_and_projects():
    job = ran(0, 2, project=builders.project(slug="gone"))
    roll_up()
    forget_everything()
    job.project.delete()
    assert gpu_hours() == {"gone": 2}


def test_of_many_groups_those_that_used_most_are_shown():
    for length in (1, 2, 3):
        ran(0, length, node=builders.node(name=f"n{length}", gpus=1))
    found = used("node", limit=2)
    assert [row.key for row in found.rows] == ["n3", "n2"]
    assert (found.left_off, found.total.hours("gpu")) == (1, 6)
