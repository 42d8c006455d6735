"""One scheduling cycle on real rows."""

import threading
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from jobs.messages import placement_messages
from jobs.models import Attempt, Cycle, GpuHold, Job, JobEvent, Placement
from jobs.planning.cycle import SingleFlight, run_cycle
from jobs.planning.snapshot import take_snapshot
from scheduling.lifecycle import JobState, PlacementState
from tests import builders
from workers.models import Node

pytestmark = pytest.mark.django_db


def test_a_job_that_fits_is_placed_with_its_attempt_gpus_and_event():
    node = builders.node(name="n1", gpus=2)
    job = builders.job(gpus=2, priority=90)

    result = run_cycle()

    job.refresh_from_db()
    placement = Placement.objects.get()
    assert result.placed == 1
    assert (job.state, job.attempt, job.node, job.reasons) == (JobState.QUEUED, 1, node, [])
    assert (placement.state, placement.gpu_indices) == (PlacementState.PLACED, [0, 1])
    assert GpuHold.objects.filter(node=node).count() == 2
    assert JobEvent.objects.get(job=job).data == {"node": "n1", "gpu_indices": [0, 1]}


def test_a_job_that_does_not_fit_waits_with_its_reason_and_position():
    builders.running_job(node=builders.node(name="n1", cpus=4), cpus=4)
    first, second = builders.job(priority=10), builders.job(priority=90)

    run_cycle()

    first.refresh_from_db()
    assert first.state == JobState.PENDING
    assert [reason["code"] for reason in first.reasons] == ["resources"]
    assert "n1" in first.reasons[0]["sentence"]
    assert Cycle.objects.get().line == [second.pk, first.pk]


def test_reasons_are_written_only_when_they_change(django_assert_max_num_queries):
    jobs = [builders.job() for _ in range(30)]
    run_cycle()

    with django_assert_max_num_queries(35):
        run_cycle()

    jobs[0].refresh_from_db()
    assert [reason["code"] for reason in jobs[0].reasons] == ["no_node"]


def test_urgent_goes_before_normal_before_background_and_rank_before_all():
    builders.node(cpus=1)
    background, normal, urgent = (builders.job(priority=priority) for priority in (10, 50, 90))
    live = builders.job(queue="live", priority=0)

    run_cycle()

    assert list(Attempt.objects.values_list("job_id", flat=True)) == [live.pk]
    assert Cycle.objects.get().line == [urgent.pk, normal.pk, background.pk]


def test_the_longest_wait_of_a_queue_that_learns_from_it_is_there_after_a_restart():
    builders.node(cpus=1)
    job = builders.job(queue="batch")
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(hours=5))

    run_cycle()

    known = take_snapshot().longest_wait
    assert 5 * 3600 <= known.seconds < 5 * 3600 + 60
    assert known.seconds_at(known.at) == known.seconds
    run_cycle()
    assert take_snapshot().longest_wait == known


def test_a_job_that_is_tried_again_has_not_waited_all_that_time():
    builders.node(cpus=1)
    job = builders.job(queue="batch", attempt=1)
    Job.objects.filter(pk=job.pk).update(created_at=timezone.now() - timedelta(hours=5))

    run_cycle()

    assert Job.objects.get().state == JobState.QUEUED
    assert take_snapshot().longest_wait.seconds == 0


def test_quota_holds_back_and_says_whose():
    project = builders.project(slug="vision", quota={"cpus": 1})
    builders.node(cpus=8)
    builders.job(project=project)
    held = builders.job(project=project)

    run_cycle()

    held.refresh_from_db()
    assert [reason["code"] for reason in held.reasons] == ["quota"]
    assert "vision" in held.reasons[0]["sentence"]


def test_a_dependent_job_waits_and_then_runs():
    builders.node(cpus=1)
    needed = builders.job(state=JobState.RUNNING)
    job = builders.job(depends_on=[needed])

    run_cycle()
    job.refresh_from_db()
    assert [reason["code"] for reason in job.reasons] == ["dependency"]

    type(needed).objects.filter(pk=needed.pk).update(state=JobState.COMPLETED, finished_at=needed.created_at)
    run_cycle()
    job.refresh_from_db()
    assert job.state == JobState.QUEUED


def test_nothing_is_placed_on_nodes_that_are_silent_draining_or_down():
    builders.node(silent=True)
    builders.node(state="draining")
    builders.node(state="down")
    job = builders.job()

    run_cycle()

    job.refresh_from_db()
    assert [reason["code"] for reason in job.reasons] == ["no_node"]


def test_a_job_goes_where_its_labels_are_and_waits_when_they_are_gone():
    builders.node(name="n1", cpus=1)
    labelled = builders.node(name="n2", cpus=8, labels={"zone": "a", "disk": "ssd"})
    first, second = (builders.job(node_labels={"zone": "a"}) for _ in range(2))
    Job.objects.filter(pk=second.pk).update(not_before=timezone.now() + timedelta(hours=1))

    run_cycle()
    Node.objects.filter(pk=labelled.pk).update(labels={"zone": "b"})
    Job.objects.filter(pk=second.pk).update(not_before=None)
    run_cycle()

    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.node, second.state) == (labelled, JobState.PENDING)
    assert [reason["sentence"] for reason in second.reasons] == [
        "Needs a node with the label zone=a; no node that is up is like that."
    ]


def test_the_doorbell_names_placement_token_queue_and_job():
    builders.node(name="n1", gpus=1)
    job = builders.job(name="resnet", gpus=1, priority=90)

    run_cycle()
    [bell] = placement_messages.placement_messages(list(Placement.objects.select_related("attempt", "node")))

    placement = Placement.objects.get()
    assert (bell.placement_id, bell.token) == (placement.pk, str(placement.attempt.token))
    assert (bell.route.queue, bell.job_name, bell.job_id) == ("gpu.urgent.n1", "resnet", job.pk)


@pytest.mark.django_db(transaction=True)
def test_two_planners_at_once_place_each_job_once_and_never_overfill():
    builders.node(cpus=3)
    for _ in range(6):
        builders.job()
    start = threading.Barrier(3)

    def race() -> None:
        start.wait()
        run_cycle()
        connection.close()

    threads = [threading.Thread(target=race) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert Placement.objects.count() == 3
    assert Attempt.objects.count() == 3


def test_askers_that_came_before_a_cycle_began_share_it():
    combiner = SingleFlight()
    runs = []
    busy, go = threading.Event(), threading.Event()

    def cycle() -> None:
        runs.append(1)
        busy.set()
        go.wait()

    askers = [threading.Thread(target=combiner.run, args=(cycle,)) for _ in range(6)]
    askers[0].start()
    busy.wait()
    for asker in askers[1:]:
        asker.start()
    go.set()
    for asker in askers:
        asker.join()

    assert 2 <= len(runs) <= 3


class Time:
    """Passes while somebody works or sleeps; what was slept is noted."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def work(self, seconds: float) -> None:
        self.now += seconds

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def flight_in(passing: Time) -> SingleFlight:
    return SingleFlight(clock=lambda: passing.now, sleep=passing.sleep)


def test_who_asks_soon_after_a_cycle_on_a_quiet_platform_waits_for_no_pause():
    passing = Time()
    flight = flight_in(passing)

    for _ in range(20):
        flight.run(lambda: passing.work(0.04))
        flight.run(lambda: passing.work(0.04))
        passing.work(0.2)

    assert passing.slept == []


@pytest.mark.parametrize(("took", "pause"), [(0.03, 0.06), (0.4, 0.1)])
def test_cycles_that_are_asked_for_all_the_time_take_turns_with_pauses(took, pause):
    passing = Time()
    flight, runs = flight_in(passing), []

    def cycle() -> None:
        runs.append(passing.now)
        passing.work(took)
        if len(runs) < 60:
            flight.run(cycle)  # somebody asks meanwhile

    flight.run(cycle)

    assert len(runs) == 60
    assert passing.slept[-40:] == pytest.approx([pause] * 40)
    assert len(passing.slept) >= 59 - SingleFlight.CREDIT_SECONDS / pause - 1


def test_of_jobs_that_were_never_tried_no_failure_and_no_saved_work_is_looked_for():
    builders.node()
    new = builders.job()
    run_cycle()
    builders.job()
    with CaptureQueriesContext(connection) as fresh:
        take_snapshot()
    Job.objects.filter(pk=new.pk).update(state=JobState.PENDING)
    with CaptureQueriesContext(connection) as tried:
        take_snapshot()

    assert len(tried) == len(fresh) + 2
