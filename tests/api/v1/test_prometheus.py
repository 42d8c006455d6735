"""GET /metrics: who may read it, and what it says."""

from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.db import OperationalError, connection
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families
from psycopg.errors import AdminShutdown, CannotConnectNow, QueryCanceled

from jobs.costs import settlement
from jobs.models import Cycle, FloorShadow, FloorShadowJob, IdleGpuStep, Preemption, UsageHour, UsageRollup
from jobs.models.planning import RunTimeLearning
from jobs.models.start_prediction import StartPrediction
from jobs.reports.metrics import each_node, open_jobs
from jobs.reports.metrics.families import Prepared
from jobs.usage import job_counts
from quotas.models import Price
from tests import builders
from tests.architecture import source
from tests.rest import V1, client_of
from workers.models import NodePool

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _token(settings):
    cache.clear()
    settings.METRICS_TOKEN = OURS


OURS = "for-the-scraper"
COMMITTED = source.ROOT / "docs/metrics.txt"


def scraped(token=OURS):
    return client_of().get("/metrics", headers={"Authorization": f"Bearer {token}"})


@pytest.fixture
def read():
    """The value of each sample, by its name and its labels' values, the labels by their names."""

    def look():
        response = scraped()
        assert response.status_code == 200, response.content
        assert response["Content-Type"].startswith("text/plain")
        families = text_string_to_metric_families(response.content.decode())
        return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}

    return look


def started(error):
    """A job that started so many seconds off its first prediction."""
    at = timezone.now()
    times = {f"{which}_{name}": at for which in ("first", "last") for name in ("made_at", "expected", "soonest")}
    errors = {"first_error_seconds": error, "last_error_seconds": 1, "first_held": error > 0, "last_held": True}
    StartPrediction.objects.create(job=builders.job(), attempt=1, started_at=at, **times, **errors)


def test_names_and_types_are_those_that_dashboards_and_alerts_rely_upon():
    """What is new gets a line in docs/metrics.txt, in the order of the answer. What stands there is neither renamed nor taken away."""
    started(10)
    said = [line.split()[2:] for line in scraped().content.decode().splitlines() if line.startswith("# TYPE ")]
    assert said == [line.split() for line in COMMITTED.read_text(encoding="utf-8").splitlines()]


def test_what_nodes_removed_of_deleted_jobs_is_counted_by_node(read):
    builders.node(name="n1", load={"removed": {"folders": 2, "bytes": 4096}})
    builders.node(name="n2", load={"removed": {"folders": 0, "bytes": 0}})
    builders.node(name="old", load={"removed": "what"})
    found = read()
    assert found["trainyard_removed_job_folders_total", "n1"] == 2
    assert found["trainyard_removed_job_folder_bytes_total", "n1"] == 4096
    assert not [key for key in found if key[0].startswith("trainyard_removed") and key[1] != "n1"]


def test_jobs_are_counted_by_state_queue_and_project_and_by_reason(read):
    project = builders.project(slug="vision")
    builders.job(project=project, reasons=[{"code": "quota"}, {"code": "resources"}])
    builders.job(project=project, reasons=[{"code": "quota"}])
    builders.job(project=project, state="completed")

    found = read()

    assert found["trainyard_jobs", "vision", "default", "pending"] == 2
    assert found["trainyard_waiting_jobs", "quota"] == 2
    assert found["trainyard_waiting_jobs", "resources"] == 1
    assert found["trainyard_jobs_ended_last_hour", "completed"] == 1


def test_cycles_placements_alerts_and_preemptions_are_counted(read):
    Cycle.objects.update(count=4, total_ms=200, duration_ms=30, placed_total=9, alerts=["Policy x failed."])
    Preemption.objects.create(attempt=builders.attempt(), strategy="priority", lost_seconds=5)

    found = read()

    assert found["trainyard_cycle_seconds_count",] == 4
    assert found["trainyard_cycle_seconds_sum",] == 0.2
    assert found["trainyard_last_cycle_seconds",] == 0.03
    assert found["trainyard_placements_total",] == 9
    assert found["trainyard_alerts",] == 1
    assert found["trainyard_preemptions_total", "priority"] == 1


def test_the_promises_of_a_floor_are_counted(read):
    FloorShadow.objects.create(clock=1e9, longest_wait=70, kept=5, broken={"late": 2, "node": 1})
    running, ahead, gone = builders.job(state="running"), builders.job(state="running"), builders.job(state="completed")
    FloorShadowJob.objects.create(job=running, started_at=1e9)
    FloorShadowJob.objects.create(job=ahead)
    FloorShadowJob.objects.create(job=gone, work_seconds=30)

    found = read()

    assert [found["trainyard_floor_jobs", state] for state in ("running", "waiting", "ended")] == [1, 1, 1]
    assert found["trainyard_floor_opportunistic_jobs",] == 1
    assert found["trainyard_floor_longest_wait_seconds",] == 70
    assert found["trainyard_floor_kept_promises_total",] == 5
    assert [found["trainyard_floor_broken_promises_total", why] for why in ("late", "node", "held")] == [2, 1, 0]


def test_what_gpus_draw_and_for_whom_they_idle_is_told_as_far_as_it_is_measured(read):
    now = timezone.now()
    node = builders.node(
        gpus=4, load={"gpus": [{"index": 0, "power_mw": 70_500}, {"index": 1, "power_mw": 30_000}, {"index": 2}]}
    )
    silent = builders.node(gpus=4)
    for where, idle_minutes, gpus in ((node, 10, (0, 1)), (node, 1, (2,)), (silent, None, (0,))):
        looks: dict[str, Any] = (
            {"gpus_active_at": now - timedelta(minutes=idle_minutes), "gpus_measured_at": now} if idle_minutes else {}
        )
        builders.placement(attempt=builders.attempt(), node=where, gpu_indices=gpus, **looks)

    found = read()

    assert found["trainyard_gpus_held",] == 4
    assert found["trainyard_gpus_idle",] == 2
    assert found["trainyard_power_watts", "gpu"] == 100.5


def test_energy_that_nobody_measures_has_no_sample(read):
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    UsageRollup.objects.update_or_create(pk=1, defaults={"rolled_up_until": hour})
    for at, joules in (
        (hour - timedelta(hours=1), 3000),
        (hour - timedelta(hours=1), 500),
        (hour - timedelta(hours=2), 9),
    ):
        UsageHour.objects.create(hour=at, project=1, project_slug="p", hardware="gpu", gpu_joules=joules)

    found = read()

    assert found["trainyard_energy_last_hour_joules", "gpu"] == 3500
    assert ("trainyard_energy_last_hour_joules", "cpu") not in found
    assert ("trainyard_power_watts", "gpu") not in found


def test_the_longest_wait_and_the_worst_stretch_are_told(read):
    now = timezone.now()
    builders.job(created_at=now - timedelta(seconds=500))
    times: dict[str, Any] = {"started_at": now - timedelta(seconds=100), "finished_at": now}
    builders.job(state="completed", created_at=now - timedelta(seconds=400), **times)  # waited 300 s, ran 100 s
    short: dict[str, Any] = {"started_at": now - timedelta(seconds=1), "finished_at": now}
    builders.job(state="completed", created_at=now - timedelta(seconds=11), **short)  # a run of 1 s counts as 10 s

    found = read()

    assert 499 < found["trainyard_longest_wait_seconds",] < 520
    assert found["trainyard_worst_stretch",] == pytest.approx(4)


def test_the_accuracy_of_predictions_is_told(read):
    for error in (-30, 10):
        started(error)
    RunTimeLearning.objects.update_or_create(pk=1, defaults={"count": 4, "absolute_seconds": 60, "inside": 3})

    found = read()

    assert found["trainyard_predicted_start_error_seconds", "first", "0.5"] == 20
    assert found["trainyard_predicted_start_held_ratio", "first"] == 0.5
    assert found["trainyard_predicted_start_held_ratio", "last"] == 1
    assert found["trainyard_predicted_starts_measured",] == 2
    assert found["trainyard_predicted_run_time_error_seconds_sum",] == 60
    assert found["trainyard_predicted_run_times_held_total",] == 3


def test_machines_are_told_with_what_is_held_of_them(read):
    builders.running_job(node=builders.node(gpus=4, cpus=8), gpu_indices=[0, 1], cpus=3)
    builders.node(gpus=2, silent=True)

    found = read()

    assert found["trainyard_nodes", "alive"] == 1
    assert (found["trainyard_gpus",], found["trainyard_gpus_held",]) == (4, 2)
    assert (found["trainyard_cpus",], found["trainyard_cpus_held",]) == (8, 3)


def test_nodes_that_are_lost_or_deaf_or_idle_are_counted(read):
    long_ago = timezone.now() - timedelta(hours=1)
    builders.node(heartbeat=long_ago, agent_id=uuid4())
    builders.node(heartbeat=long_ago, state="down")  # its agent said goodbye
    builders.node(consuming=False)
    builders.node(consuming=True)
    builders.node(load={"disk_full": True})
    builders.running_job(node=builders.node())

    found = read()

    assert [found[f"trainyard_{name}_nodes",] for name in ("lost", "deaf", "idle")] == [1, 1, 1]


def test_an_empty_yard_has_metrics_too(read):
    assert read()["trainyard_worst_stretch",] == 0


@pytest.mark.parametrize("token", ["wrong", "", "ünsinn"])
def test_a_wrong_token_is_refused(token):
    assert scraped(token.encode().decode("latin-1")).status_code == 401


def test_staff_may_read_it_with_a_token_of_their_own_and_others_may_not():
    for staff, status in ((True, 200), (False, 401)):
        user = builders.user(password="a-long-password", staff=staff)
        given = {"username": user.username, "password": "a-long-password"}
        token = client_of().post(f"{V1}/auth/tokens", given).json()["token"]
        assert scraped(token).status_code == status


def test_without_a_token_set_nobody_gets_in_with_an_empty_one(settings):
    settings.METRICS_TOKEN = ""

    assert scraped("").status_code == 401


def test_more_jobs_take_no_more_statements(django_assert_max_num_queries):
    for _ in range(5):
        builders.running_job()
        builders.job(reasons=[{"code": "quota"}])

    with django_assert_max_num_queries(31):
        scraped()


def test_what_giving_way_has_cost_is_told_by_strategy(read):
    for end in ("preempted", "preempted", "completed"):
        attempt = builders.attempt(job=builders.job(), ended_at=timezone.now(), end_reason=end)
        Preemption.objects.create(attempt=attempt, strategy="reclaim", lost_seconds=90)

    found = read()

    assert found["trainyard_preemptions_total", "reclaim"] == 3
    assert found["trainyard_preempted_total", "reclaim"] == 2
    assert found["trainyard_preempted_work_seconds_total", "reclaim"] == 180


def test_what_became_of_idle_gpus_is_told_by_the_step(read):
    attempt = builders.attempt()
    for rung, freed in (("warn", 0), ("stop", 7200), ("stop", 3600)):
        IdleGpuStep.objects.create(attempt=attempt, rung=rung, idle_gpu_seconds=600, freed_gpu_seconds=freed)
    found = read()
    assert found["trainyard_idle_gpu_steps_total", "stop"] == 2
    assert found["trainyard_idle_gpu_seconds_total", "warn"] == 600
    assert found["trainyard_idle_gpu_freed_seconds_total", "stop"] == 10800
    assert found["trainyard_idle_gpu_steps_total", "requeue"] == 0


def test_the_servers_behind_it_are_told(read):
    found = read()
    assert (found["trainyard_server_up", "database"], found["trainyard_server_up", "broker"]) == (1, 1)
    assert found["trainyard_database_up",] == 1


def test_without_the_database_it_tells_what_it_knows_and_that_it_is_away():
    with away():
        response = scraped()
    assert response.status_code == 200, "Prometheus reads nothing of another answer"
    samples = [line for line in response.content.decode().splitlines() if not line.startswith("#")]
    assert samples == [
        "trainyard_database_up 0.0",
        'trainyard_server_up{server="database"} 0.0',
        'trainyard_server_up{server="broker"} 1.0',
    ]


def test_a_database_that_answers_but_not_a_scrape_is_not_told_to_be_away():
    """As when one statement of it takes too long: the scrape has failed, and nothing else is known."""
    with away(QueryCanceled()):
        response = scraped()
    assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert b"trainyard_database_up" not in response.content


def test_without_the_database_whoever_has_another_token_gets_a_problem_document():
    with away():
        response = scraped("a-token-of-somebodys")
    assert (response.status_code, response.json()["status"]) == (503, 503)


@pytest.mark.parametrize("cause", [AdminShutdown(), CannotConnectNow()])
def test_a_database_that_ends_or_begins_is_away(cause):
    with away(cause):
        assert b"trainyard_database_up 0.0" in scraped().content


@contextmanager
def away(cause=None):
    """Every statement fails, as when the server is gone."""

    def fail(*_):
        raise OperationalError("no answer") from cause

    with connection.execute_wrapper(fail):
        yield


def test_money_is_counted_where_anything_has_a_price(read):
    now = timezone.now()
    Price.objects.create(target="cpu", per_hour=1, currency="EUR", valid_from=now - timedelta(days=1))
    builders.job(estimated_cost=4, cost_basis="limit")
    builders.job(estimated_cost=9, cost_basis="hour")
    job = builders.running_job(cpus=2)
    placements = list(job.attempts.get().placements.values_list("pk", flat=True))
    settlement.hold(placements)
    assert read()["trainyard_cost_on_hold",] == 2
    settlement.settle(dict.fromkeys(placements, now + timedelta(hours=1)))
    cache.clear()

    found = read()

    assert found["trainyard_cost_prices",] == 1
    assert found["trainyard_cost_pending",] == 4
    assert found["trainyard_cost_last_hour", "settle"] == pytest.approx(2, rel=0.01)
    assert found["trainyard_cost_last_hour", "refund"] == 0


def test_pools_tell_what_is_there_and_what_is_to_be_there(read):
    known = {"busy_nodes": 1, "wanted_nodes": 5, "desired_nodes": 3, "waiting_jobs": 7}
    NodePool.objects.create(name="small", cpus=2, memory_mb=8000, **known)
    NodePool.objects.create(name="undecided", cpus=2, memory_mb=8000)
    builders.node(labels={"pool": "small"}), builders.node(labels={"pool": "small"}, state="draining"), builders.node()
    samples = {key[1:]: value for key, value in read().items() if key[0] == "trainyard_pool_nodes"}
    assert samples == {
        ("small", "present"): 1, ("small", "busy"): 1, ("small", "wanted"): 5, ("small", "desired"): 3,
        ("undecided", "present"): 0,
    }  # fmt: skip
    assert read()["trainyard_pool_waiting_jobs", "small"] == 7


def test_queues_are_told_whole_with_zeros_and_by_what_keeps_their_jobs(read):
    builders.job(queue="live", priority=90, gpus=1, reasons=[{"code": "quota"}, {"code": "ahead"}])
    builders.job(queue="live", priority=90, reasons=[{"code": "ahead"}])
    builders.job(state="paused")

    found = read()

    assert found["trainyard_queue_length", "gpu", "urgent", "live"] == 1
    assert found["trainyard_queue_length", "cpu", "urgent", "live"] == 1
    assert found["trainyard_queue_length", "cpu", "background", "batch"] == 0
    assert sum(value for key, value in found.items() if key[0] == "trainyard_queue_length") == 2
    assert found["trainyard_queue_length_by_reason", "gpu", "urgent", "quota"] == 1
    assert found["trainyard_queue_length_by_reason", "cpu", "normal", "resources"] == 0
    assert (found["trainyard_waiting_jobs", "ahead"], found["trainyard_waiting_jobs", "budget"]) == (2, 0)
    assert (found["trainyard_active_jobs", "paused"], found["trainyard_active_jobs", "running"]) == (1, 0)


def test_of_many_projects_and_queues_some_have_series_and_the_rest_one_together(read, monkeypatch):
    monkeypatch.setattr(open_jobs, "MOST_PROJECTS", 2)
    monkeypatch.setattr(open_jobs, "MOST_QUEUES", 3)
    for number in range(4):
        builders.job(project=builders.project(slug=f"p{number}"), queue=builders.queue())

    found = read()

    assert [found["trainyard_jobs", project, "other", "pending"] for project in ("p0", "p1", "other")] == [1, 1, 2]
    assert found["trainyard_queue_length", "cpu", "normal", "other"] == 4


def test_what_jobs_have_done_is_told_in_counters_and_histograms(read):
    job = builders.job(created_at=timezone.now() - timedelta(seconds=70))
    builders.event(job=job, kind="submitted", to_state="pending", at=job.created_at)
    ends: dict[str, Any] = {"from_state": "running", "data": {"end_reason": "node_lost"}}
    builders.event(job=job, kind="failed", to_state="failed", **ends)

    found = read()

    assert (found["trainyard_jobs_total", "failed"], found["trainyard_jobs_total", "completed"]) == (1, 0)
    assert found["trainyard_submitted_jobs_total",] == 1
    assert found["trainyard_attempts_ended_total", "platform", "node_lost"] == 1
    assert found["trainyard_attempts_ended_total", "owner", "exit_code"] == 0
    duration = "trainyard_job_duration_seconds"
    below, above, every = (found[f"{duration}_bucket", "cpu", bound] for bound in ("60.0", "300.0", "+Inf"))
    assert (below, above, every, found[f"{duration}_count", "cpu"]) == (0, 1, 1, 1)
    assert found[f"{duration}_sum", "cpu"] == pytest.approx(70, abs=20)


def test_cycles_are_a_histogram_whose_last_bucket_counts_those_before_it_as_well(read):
    Cycle.objects.update(count=40, total_ms=8000)
    job_counts.add([job_counts.observed("cycle", 0.03)])
    found = read()
    assert found["trainyard_cycle_seconds_bucket", "0.025"] == 0
    assert found["trainyard_cycle_seconds_bucket", "0.05"] == 1
    assert (found["trainyard_cycle_seconds_bucket", "+Inf"], found["trainyard_cycle_seconds_count",]) == (40, 40)


def test_each_node_is_in_one_state(read):
    builders.running_job(node=builders.node())
    (
        builders.node(state="draining"),
        builders.node(silent=True),
        builders.node(load={"disk_full": True}),
        builders.node(),
    )
    found = read()
    states = {key[1]: value for key, value in found.items() if key[0] == "trainyard_nodes_by_state"}
    assert states == dict.fromkeys(("available", "busy", "draining", "unfit", "offline"), 1)


def test_leases_are_counted_and_those_that_are_overdue(read):
    now = timezone.now()
    for seconds in (-5, 30, 40):
        builders.placement(state="claimed", lease_expires_at=now + timedelta(seconds=seconds))
    builders.placement()
    found = read()
    assert (found["trainyard_leases",], found["trainyard_leases_overdue",]) == (3, 1)


def test_the_first_nodes_have_figures_of_their_own_and_odd_heartbeats_have_none(read, monkeypatch):
    monkeypatch.setattr(each_node, "MOST_NODES", 2)
    monkeypatch.setattr(each_node, "SHOWN", Prepared(each_node._shown))
    gpus = [{"index": 0, "utilisation": 50, "memory_used_mb": 1, "power_mw": 1500}, {"index": 1}, "what"]
    builders.node(name="n1", load={"cpu_percent": 25.0, "memory_used_mb": 2, "gpus": gpus})
    builders.node(name="n2", load={"cpu_percent": "much", "gpus": 7})
    builders.node(name="n3", load={"cpu_percent": 1})
    found = read()
    assert found["trainyard_node_cpu_utilisation_ratio", "n1"] == 0.25
    assert found["trainyard_node_memory_used_bytes", "n1"] == 2 * 2**20
    assert (found["trainyard_gpu_utilisation_ratio", "0", "n1"], found["trainyard_gpu_power_watts", "0", "n1"]) == (
        0.5,
        1.5,
    )
    assert {key[-1] for key in found if key[0] == "trainyard_node_cpu_utilisation_ratio"} == {"n1"}
    assert {key[-1] for key in found if key[0] == "trainyard_node_jobs"} == {"n1", "n2"}


def test_heartbeats_of_any_shape_break_no_scrape(read):
    for load in (
        "what",
        [1],
        7,
        {"gpus": "what"},
        {"gpus": [{"power_mw": "much"}]},
        {"gpus_out": 3, "trespasses": None},
    ):
        builders.node(load=load)
    found = read()
    assert found["trainyard_nodes", "alive"] == 6
    assert found["trainyard_gpus_out",] == 0
