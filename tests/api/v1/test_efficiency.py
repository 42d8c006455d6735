"""What a job used of what it held, and what it should ask for next time."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.models import ReportMark
from tests import builders
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def staff():
    return client_of(builders.user(staff=True))


def job_that_used(cpu_seconds, peak_mb, **fields):
    job = builders.job(**{"state": "completed", "cpus": 8, "memory_mb": 32_768, **fields})
    begun = timezone.now() - timedelta(hours=1)
    builders.attempt(
        job=job, started_at=begun, ended_at=begun + timedelta(seconds=1000), end_reason="exit_code",
        cpu_seconds=cpu_seconds, peak_memory_mb=peak_mb,
    )  # fmt: skip
    return job


def efficiency(client, job):
    answer = client.get(f"{V1}/jobs/{job.pk}/efficiency")
    assert answer.status_code == 200, answer.content
    return answer.json()


def test_what_was_used_is_told_beside_what_was_held(staff):
    found = efficiency(staff, job_that_used(2000, 3072, gpus=2))

    assert (found["cpu_seconds_held"], found["cpu_seconds"], found["cpu_percent"]) == (8000, 2000, 25)
    assert (found["memory_gb"], found["peak_memory_gb"], found["memory_percent"]) == (32, 3, 9.4)
    assert found["gpu_seconds_held"] == 2000
    assert found["sentence"] == "Of 8 CPUs 2 worked on average (25 %). Asked for 32 GB, used 3 GB at most (9.4 %)."


def test_attempts_are_added_up_and_those_of_which_nothing_is_known_left_out(staff):
    job = job_that_used(2000, 3072)
    begun = timezone.now() - timedelta(hours=2)
    builders.attempt(job=job, started_at=begun, ended_at=timezone.now(), end_reason="node_lost")
    builders.attempt(
        job=job, started_at=begun, ended_at=begun + timedelta(seconds=1000), cpu_seconds=0, peak_memory_mb=1
    )

    found = efficiency(staff, job)

    assert (found["run_seconds"], found["cpu_percent"], found["peak_memory_gb"]) == (2000, 12.5, 3)


def test_what_gpus_did_and_what_it_drew_is_told_over_all_attempts(staff):
    job = job_that_used(2000, 3072, gpus=2)
    attempt = job.attempts.get()
    use = {"gpu_measured_seconds": 2000, "gpu_busy_seconds": 500, "gpu_idle_seconds": 1200, "gpu_peak_memory_mb": 2048}
    job.attempts.update(**use, gpu_joules=7000, cpu_joules=200, energy_partial=False)
    ReportMark.objects.create(attempt=attempt, offset=1, refused=0, step=14_400)

    found = efficiency(staff, job)

    assert (found["gpu_percent"], found["gpu_seconds_idle"], found["gpu_peak_memory_gb"]) == (25, 1200, 2)
    assert (found["joules"], found["watt_hours"], found["steps_per_kilojoule"]) == (7200, 2, 2000)
    assert found["energy_partial"] is False
    assert found["sentence"].endswith("Its GPUs worked 25 % of the time.")
    begun = timezone.now() - timedelta(hours=2)
    builders.attempt(job=job, started_at=begun, ended_at=timezone.now(), end_reason="node_lost")
    assert efficiency(staff, job)["energy_partial"] is True


def test_energy_that_nobody_measured_is_not_nothing(staff):
    found = efficiency(staff, job_that_used(2000, 3072, gpus=2))
    names = ("gpu_percent", "gpu_seconds_idle", "gpu_joules", "cpu_joules", "joules", "watt_hours", "energy_partial",
             "steps_per_kilojoule")  # fmt: skip
    assert {name: found[name] for name in names} == dict.fromkeys(names)


def test_of_a_job_that_has_not_run_nothing_is_known(staff):
    found = efficiency(staff, builders.job(cpus=2))
    assert (found["cpu_seconds"], found["cpu_percent"], found["peak_memory_gb"]) == (None, None, None)
    assert found["sentence"] == "What it used is known once an attempt of it is over."


def test_a_job_that_named_no_memory_is_not_judged_by_it(staff):
    found = efficiency(staff, job_that_used(2000, 1536, memory_mb=0))
    assert found["memory_percent"] is None
    assert found["sentence"].endswith("It used 1.5 GB at most.")


def test_a_job_of_others_is_not_there():
    assert client_of(builders.user()).get(f"{V1}/jobs/{builders.job().pk}/efficiency").status_code == 404
