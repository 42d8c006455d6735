"""Hours that are over are summed up once: exactly, however often, and the same when they are worked out again."""

from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import Sum

from jobs.models import IdleGpuStep, Preemption, UsageHour, UsageRollup
from jobs.usage import rollup
from quotas.costs import ledger
from scheduling.sharing.prices import Holding
from tests import builders
from tests.jobs.usage.yard import DAY, at, forget_everything, ran, roll_up

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def a_day_later(monkeypatch):
    """The moment of the platform's clock: the morning after."""
    monkeypatch.setattr(rollup, "database_now", lambda: at(30.5))


def hours(*names):
    rows = UsageHour.objects.values_list("hour").annotate(*(Sum(name) for name in names)).order_by("hour")
    return {(hour - DAY) / timedelta(hours=1): [float(value) for value in sums] for hour, *sums in rows}


def test_what_is_held_is_split_at_the_borders_of_the_hours():
    ran(0.25, 2.5, gpus=(0, 1), cpus=16)
    roll_up()
    held = hours("gpu_seconds", "cpu_seconds", "charged_seconds")
    assert held == {
        0: [2 * 2700, 16 * 2700, 2 * 2700],
        1: [2 * 3600, 16 * 3600, 2 * 3600],
        2: [2 * 1800, 16 * 1800, 2 * 1800],
    }


def test_what_is_known_at_the_end_is_booked_whole_in_the_hour_of_the_end():
    ran(0.5, 2.5, reason="exit_code", gpus=(0, 1))
    ran(1.0, 2.0, reason="node_lost")
    stopped = ran(1.0, 2.5, reason="preempted")
    attempt = stopped.attempts.get()
    Preemption.objects.create(attempt=attempt, strategy="priority", lost_seconds=600)
    attempt.cpu_seconds, attempt.gpu_busy_seconds, attempt.gpu_measured_seconds = 7200, 2700, 5400
    attempt.save()
    roll_up()
    names = ("owner_failed_gpu_seconds", "platform_failed_gpu_seconds", "preempted_gpu_seconds", "lost_gpu_seconds")
    assert hours(*names)[2] == [4 * 3600, 3600, 5400, 600]
    measured = ("used_cpu_seconds", "measured_cpu_seconds", "busy_gpu_seconds", "measured_gpu_seconds", "attempts")
    assert hours(*measured)[2] == [7200, 8 * 5400, 2700, 5400, 3]
    assert hours(*names)[0] == [0, 0, 0, 0]


def test_energy_and_idle_gpus_are_booked_in_the_hour_of_the_end():
    attempt = ran(0.5, 2.5, gpus=(0, 1)).attempts.get()
    attempt.gpu_joules, attempt.cpu_joules, attempt.gpu_idle_seconds = 7200, 1800, 900
    attempt.save()
    roll_up()
    energy = hours("gpu_joules", "cpu_joules", "idle_held_gpu_seconds")
    assert (energy[1], energy[2]) == ([0, 0, 0], [7200, 1800, 900])


def test_what_idle_gpus_gave_back_is_booked_in_the_hour_of_the_end():
    attempt = ran(0.5, 2.5, gpus=(0, 1), reason="idle").attempts.get()
    for rung, freed in (("warn", 0), ("stop", 900)):
        IdleGpuStep.objects.create(attempt=attempt, rung=rung, idle_gpu_seconds=60, freed_gpu_seconds=freed)
    roll_up()
    assert [freed for (freed,) in hours("freed_gpu_seconds").values()] == [0, 0, 900]


def test_hours_are_summed_up_once_and_go_on_where_they_stopped(monkeypatch):
    ran(0, 48, gpus=(0,))
    roll_up()
    assert rollup.roll_up() == 0
    assert UsageHour.objects.count() == 30
    assert rollup.rolled_up_until() == at(30)
    # Down for a day: the next call catches up, and the end is on record in its hour.
    monkeypatch.setattr(rollup, "database_now", lambda: at(54.5))
    assert rollup.roll_up() == 24
    assert sum(gpu for (gpu,) in hours("gpu_seconds").values()) == 48 * 3600


def test_an_hour_is_left_alone_until_what_happened_in_it_is_on_record(monkeypatch):
    ran(0, 2)
    monkeypatch.setattr(rollup, "database_now", lambda: at(2.05))
    roll_up()
    assert rollup.rolled_up_until() == at(1)


def test_working_it_out_again_gives_the_same_figures_and_finds_what_was_changed():
    ran(0.3, 5.7, gpus=(0, 1, 2), labels={"team": "vision"}, reason="exit_code")
    ran(1.1, gpus=(), cpus=3)
    roll_up()
    assert rollup.recompute(DAY, at(30), keep=False) == []
    UsageHour.objects.filter(hour=at(3)).update(gpu_seconds=1)

    assert rollup.recompute(DAY, at(30), keep=False) == [at(3)]
    assert rollup.recompute(DAY, at(30), keep=True) == [at(3)]
    assert rollup.recompute(DAY, at(30), keep=True) == []


def test_what_was_summed_up_outlives_the_jobs():
    ran(0, 3)
    roll_up()
    forget_everything()
    roll_up()
    assert sum(gpu for (gpu,) in hours("gpu_seconds").values()) == 3 * 3600


def test_costs_stand_in_the_hour_in_which_they_were_booked():
    job = ran(0, 3)
    held = ledger.HeldPlacement(
        1, job.pk, job.name, 1, job.project_id, job.project.slug, "n1", at(0), Holding(gpus={"NVIDIA H100": 1})
    )
    ledger._write([ledger._Posting(held, ledger.Kind.SETTLE, at(3), {ledger.Account.REVENUE: Decimal("7.5"),
                                                                     ledger.Account.PROJECT: Decimal("-7.5")}, at(3))])  # fmt: skip
    roll_up()
    assert hours("cost")[3] == [7.5]
    assert UsageHour.objects.get(hour=at(3), cost__gt=0).hardware == "NVIDIA H100"


def waiting(job, *steps):
    """Events of the job: (hours, kind, state it came to, attempt)."""
    for hour, kind, state, attempt in steps:
        builders.event(job=job, kind=kind, to_state=state, attempt=attempt, at=at(hour))


def test_waits_begin_when_a_job_could_have_started_and_not_while_it_was_held():
    job = ran(3, 5, started=3.1, submitted=0.5)
    waiting(
        job, (0.5, "submitted", "pending", None), (1, "held", "", None), (2.5, "released", "", None),
        (3, "queued", "queued", 1), (3.1, "started", "running", 1), (5, "completed", "completed", 1),
    )  # fmt: skip
    roll_up()
    assert UsageHour.objects.get(hour=at(3)).waits == [pytest.approx(0.6 * 3600)]
    waited = {hour: value for hour, (value,) in hours("waiting_seconds").items() if value}
    assert waited == {0: 1800, 2: 1800}


def test_a_job_that_waits_for_others_waits_for_nothing_of_the_platforms():
    needed = ran(0, 2)
    job = ran(4, 5, submitted=0, depends_on=[needed])
    waiting(job, (0, "submitted", "pending", None), (4, "queued", "queued", 1), (5, "completed", "completed", 1))
    roll_up()
    assert UsageHour.objects.exclude(waits=[]).get(hour=at(4)).waits == [2 * 3600]
    assert {hour: value for hour, (value,) in hours("waiting_seconds").items() if value} == {2: 3600, 3: 3600}


def test_a_job_that_never_started_waited_until_it_was_cancelled():
    job = builders.job(state="cancelled", gpus=2, nodes=2, finished_at=at(1.5))
    job.created_at = at(0)
    job.save(update_fields=["created_at"])
    waiting(job, (0, "submitted", "pending", None), (1.5, "cancelled", "cancelled", None))
    ran(0, 1)
    roll_up()
    assert {hour: value for hour, (value,) in hours("waiting_seconds").items() if value} == {0: 4 * 3600, 1: 4 * 1800}


def test_an_empty_platform_is_done_at_once():
    assert rollup.roll_up() == 0
    assert UsageRollup.objects.get().rolled_up_until == at(30)
