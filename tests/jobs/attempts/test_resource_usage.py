"""What attempts used: on record once, with their end, and shown to who sizes the next request."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from executors.run.placement_run import PlacementRun
from jobs.attempts.completion import finish
from jobs.models import Attempt, Placement
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason
from tests import builders
from tests.admin_pages import operator, page
from tests.executors.run.test_placement_run import SINGLE
from tests.rest import V1, client_of, rows
from workers.runtime.process import CommandResult

pytestmark = pytest.mark.django_db


def end(placement: Placement, reason: EndReason = EndReason.COMPLETED, **used) -> None:
    finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), reason, **used)])


def placement_of(job) -> Placement:
    return Placement.objects.get(attempt__job=job)


def test_it_is_on_record_with_the_end():
    placement = placement_of(builders.running_job())
    end(placement, peak_memory_mb=812, cpu_seconds=3.5)
    end(placement, peak_memory_mb=999, cpu_seconds=99)
    attempt = Attempt.objects.get()
    assert (attempt.peak_memory_mb, attempt.cpu_seconds) == (812, 3.5)


def test_of_a_gang_the_greediest_member_s_memory_counts_and_everybody_s_time():
    first, second = builders.gang(builders.node(), builders.node(), state="running")
    end(first, peak_memory_mb=100, cpu_seconds=1.0)
    end(second, peak_memory_mb=300, cpu_seconds=2.0)
    attempt = Attempt.objects.get()
    assert (attempt.peak_memory_mb, attempt.cpu_seconds) == (300, 3.0)


def test_the_time_of_its_gpus_adds_up_and_what_nobody_measured_stays_unknown():
    first, second = builders.gang(builders.node(), builders.node(), state="running")
    end(first, gpu_measured_seconds=10.0, gpu_busy_seconds=4.0)
    end(second, cpu_seconds=1.0)
    attempt = Attempt.objects.get()
    assert (attempt.gpu_measured_seconds, attempt.gpu_busy_seconds, attempt.cpu_seconds) == (10, 4, 1)


def test_members_that_end_together_count_once_each():
    members = builders.gang(builders.node(), builders.node(), state="running")
    refs = [PlacementRef(member.pk, str(member.attempt.token)) for member in members]
    finish([PlacementOutcome(ref, EndReason.COMPLETED, peak_memory_mb=7, cpu_seconds=1.0) for ref in refs])
    attempt = Attempt.objects.get()
    assert (attempt.peak_memory_mb, attempt.cpu_seconds) == (7, 2.0)


def test_energy_adds_up_over_a_gang_and_is_whole_only_if_every_member_told_all():
    whole: dict[str, Any] = {"energy_partial": False, "gpu_idle_seconds": 5.0}
    told: dict[str, Any]
    for told, partial in (
        ({"gpu_joules": 40.0, "cpu_joules": 2.0, **whole}, False),
        ({"gpu_joules": 40.0}, True),
        ({}, True),
    ):
        members = builders.gang(builders.node(), builders.node(), state="running")
        end(members[0], gpu_joules=100.0, cpu_joules=7.0, gpu_peak_memory_mb=900, **whole)
        end(members[1], **told)
        attempt = members[0].attempt
        attempt.refresh_from_db()
        assert attempt.energy_partial == partial
        assert attempt.gpu_joules == 100 + told.get("gpu_joules", 0)
        assert attempt.cpu_joules == 7 + told.get("cpu_joules", 0)
        assert attempt.gpu_peak_memory_mb == 900


def test_what_an_agent_of_an_earlier_release_tells_says_nothing_of_energy():
    end(placement_of(builders.running_job()), cpu_seconds=1.0, gpu_measured_seconds=9.0, gpu_busy_seconds=3.0)
    attempt = Attempt.objects.get()
    assert (attempt.gpu_joules, attempt.cpu_joules, attempt.gpu_idle_seconds) == (None, None, None)
    assert attempt.gpu_busy_seconds == 3


def test_what_nobody_could_tell_stays_open():
    end(placement_of(builders.running_job()), EndReason.NODE_LOST)
    attempt = Attempt.objects.get()
    assert (attempt.peak_memory_mb, attempt.cpu_seconds) == (None, None)
    assert (attempt.gpu_joules, attempt.cpu_joules, attempt.energy_partial) == (None, None, None)


def test_a_command_too_short_to_be_looked_at_has_its_processor_time_alone():
    end(placement_of(builders.running_job()), cpu_seconds=0.01)
    attempt = Attempt.objects.get()
    assert (attempt.peak_memory_mb, attempt.cpu_seconds) == (None, 0.01)


def test_the_shim_s_words_become_the_ending(tmp_path):
    outcome = CommandResult("exited", 0, "", 1.0, 2.0, peak_memory_bytes=3 * 2**30, cpu_seconds=4.2)
    ending = PlacementRun(SINGLE, tmp_path, lease_deadline=0).outcome(outcome)
    assert (ending.peak_memory_mb, ending.cpu_seconds) == (3072, 4.2)


def test_the_owner_reads_it_in_the_list_of_attempts_and_an_operator_in_the_admin():
    user = builders.user()
    job = builders.job(project=builders.project(members=[user]), owner=user, state="completed")
    builders.attempt(job=job, ended_at=job.finished_at, end_reason="completed", peak_memory_mb=1536, cpu_seconds=75.0)
    [row] = rows(client_of(user).get(f"{V1}/jobs/{job.pk}/attempts"))
    assert (row["peak_memory_gb"], row["cpu_seconds"]) == (1.5, 75.0)
    assert "1.5 GB at most, 1m 15s of CPU" in page(operator(), f"/admin/jobs/job/{job.pk}/change/")


def test_how_long_gpus_have_idled_stands_beside_the_attempt_while_it_runs():
    user = builders.user()
    job = builders.job(project=builders.project(members=[user]), owner=user, state="running", gpus=1, nodes=2)
    attempt, now = builders.attempt(job=job), timezone.now()
    looks: dict[str, Any] = {"gpus_active_at": now - timedelta(seconds=90), "gpus_measured_at": now}
    member = builders.placement(attempt=attempt, node=builders.node(gpus=1), gpu_indices=(0,), **looks)
    other = builders.placement(attempt=attempt, node=builders.node(gpus=1), gpu_indices=(0,), rank=1)

    def idle():
        return rows(client_of(user).get(f"{V1}/jobs/{job.pk}/attempts"))[0]["gpus_idle_seconds"]

    assert idle() is None  # of the other member nobody knows
    Placement.objects.filter(pk=other.pk).update(gpus_active_at=now - timedelta(seconds=40), gpus_measured_at=now)
    assert idle() == pytest.approx(40)
    Placement.objects.filter(pk=other.pk).update(gpus_active_at=now - timedelta(seconds=400))
    assert idle() == pytest.approx(90)
    Placement.objects.filter(pk__in=(member.pk, other.pk)).update(state="closed", closed_at=now)
    assert idle() is None
