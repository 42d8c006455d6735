"""The audit of what jobs hold: each mistake made by hand is seen, told, mended, written down, and gone with that."""

from datetime import timedelta

import pytest
from django.db.models import F
from django.db.models.functions import Now
from django.utils import timezone

from jobs.attempts.completion import finish
from jobs.models import Attempt, AuditResult, GpuHold, Job, JobEvent, Placement, StandingAlert
from jobs.planning import cycle
from jobs.recovery import quota_audit, quota_repair
from jobs.reports import quota_usage
from jobs.reports.metrics.exposition import exposition
from jobs.state.outcome import PlacementOutcome, PlacementRef
from quotas.models import LedgerTransaction
from scheduling.lifecycle import EndReason
from scheduling.sharing.quota_audit import Mistake
from tests import builders
from tests.jobs.costs.test_settlement import begun, price
from tests.racing import beside, hold

pytestmark = pytest.mark.django_db
LONG = timedelta(hours=2)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def node():
    return builders.node(name="n1", cpus=64, gpus=8, memory_mb=64_000)


def running(node, gpus=(0, 1), **fields):
    return builders.running_job(node=node, gpu_indices=gpus, cpus=2, memory_mb=1_024, **fields)


def of(job):
    return Placement.objects.filter(attempt__job=job)


def later():
    """As if the last look had been a minute ago."""
    row = AuditResult.objects.get(pk="quotas")
    row.suspects = {key: since - 60 for key, since in row.suspects.items()}
    row.save()
    return quota_audit.audit()


def seen_and_mended():
    """Two looks: the first sees it and says nothing, the second tells and mends it, the third finds it gone."""
    assert quota_audit.audit().findings == []
    assert not StandingAlert.objects.filter(key=quota_audit.KEY).exists()
    look = later()
    told = list(StandingAlert.objects.filter(key=quota_audit.KEY).values_list("sentence", flat=True))
    shown = drift()
    assert later().findings == []
    assert not StandingAlert.objects.filter(key=quota_audit.KEY).exists()
    assert set(drift().values()) == {0}
    return look, told, shown


def drift():
    lines = [line for line in exposition().decode().splitlines() if line.startswith("trainyard_quota_drift{")]
    return {tuple(line.split('"')[1::2]): float(line.split()[-1]) for line in lines}


def story(job):
    return JobEvent.objects.filter(job=job, kind=quota_repair.EVENT).values_list("message", flat=True)


def test_where_all_is_well_nothing_is_found_and_the_metric_is_zero(node):
    running(node)
    builders.gang(builders.node(), builders.node(), builders.node())
    builders.job()
    assert (quota_audit.audit().findings, later().findings) == ([], [])
    assert set(drift().values()) == {0}
    assert len(drift()) == 12


def test_an_open_placement_of_an_attempt_that_is_over_is_closed_as_of_its_end(node):
    price("1.00")
    job = running(node)
    begun(of(job), hours=3)
    Attempt.objects.filter(job=job).update(ended_at=timezone.now() - LONG, end_reason="completed")
    Job.objects.filter(pk=job.pk).update(state="completed", finished_at=timezone.now() - LONG)
    assert quota_usage.standing_now().usage[job.project.slug]["gpus"] == 2
    look, told, shown = seen_and_mended()
    assert [one.mistake for one in look.mended] == [Mistake.ENDED_ATTEMPT]
    assert f"job {job.pk} of project {job.project}: placement" in told[0]
    assert shown["rows", "gpus"] == 2
    assert shown["rows", "running_jobs"] == 1
    [row] = of(job)
    assert row.closed_at == row.attempt.ended_at
    assert not GpuHold.objects.exists()
    assert quota_usage.standing_now().usage[job.project.slug]["gpus"] == 0
    assert float(LedgerTransaction.objects.get(kind="settle").cost) == pytest.approx(
        2.0, abs=0.01
    )  # 2 CPUs for an hour
    [words] = story(job)
    assert "was open, and its attempt 1 is over" in words
    assert "was closed as of the end of attempt 1" in words
    assert 'trainyard_quota_mistakes_mended_total{mistake="ended_attempt"} 1.0' in exposition().decode()


def test_a_job_that_ended_while_its_attempt_is_open_gives_its_place_back(node):
    job = running(node)
    Job.objects.filter(pk=job.pk).update(state="failed", finished_at=Now())
    look, _, shown = seen_and_mended()
    assert [one.mistake for one in look.mended] == [Mistake.STALE_ATTEMPT]
    assert shown["rows", "cpus"] == 2
    assert Attempt.objects.get(job=job).end_reason == EndReason.PLATFORM_ERROR
    assert Job.objects.get(pk=job.pk).state == "failed"
    assert "attempt 1 was ended" in story(job)[0]


def test_a_job_in_line_whose_old_attempt_is_open_can_be_placed_again(node):
    job = running(node)
    Job.objects.filter(pk=job.pk).update(state="pending", started_at=None)
    seen_and_mended()
    cycle.run_cycle()
    assert Job.objects.get(pk=job.pk).state == "queued"


def test_a_job_whose_attempt_was_lost_goes_back_in_line_at_nobodys_cost(node):
    job = running(node)
    Attempt.objects.filter(job=job).update(ended_at=Now())
    _, _, shown = seen_and_mended()
    assert set(shown.values()) == {0}  # it held what it was due: the usage was right, the rows were not
    job.refresh_from_db()
    assert (job.state, job.retries_used, job.platform_retries_used) == ("pending", 0, 0)
    assert job.not_before > timezone.now()  # until then its node's shim has stopped it for certain
    assert not of(job).filter(closed_at=None)


@pytest.mark.parametrize(
    ("reason", "wish", "state"),
    [
        ("completed", "", "completed"),
        ("cancelled", "", "cancelled"),
        ("", "cancel", "cancelled"),
        ("", "pause", "paused"),
    ],
)
def test_it_becomes_what_its_attempt_or_its_owner_said(node, reason, wish, state):
    job = running(node, desired=wish)
    Attempt.objects.filter(job=job).update(ended_at=Now(), end_reason=reason)
    seen_and_mended()
    assert Job.objects.get(pk=job.pk).state == state


def test_a_job_without_its_placement_goes_back_in_line(node):
    job = running(node)
    of(job).update(state="closed", closed_at=Now())
    look, _, shown = seen_and_mended()
    assert Mistake.NO_PLACEMENT in [one.mistake for one in look.mended]
    assert (shown["rows", "gpus"], shown["gpu_holds", "gpus"]) == (2, 2)
    assert Job.objects.get(pk=job.pk).state == "pending"
    assert not GpuHold.objects.exists()


def test_a_gang_of_which_a_member_is_missing_goes_back_in_line_whole():
    rows = builders.gang(builders.node(), builders.node(), builders.node())
    Placement.objects.filter(pk=rows[1].pk).delete()
    job = rows[0].attempt.job
    look, _, _ = seen_and_mended()
    assert [one.mistake for one in look.mended] == [Mistake.NO_PLACEMENT]
    assert Job.objects.get(pk=job.pk).state == "pending"
    assert not of(job).filter(closed_at=None)


def test_a_gang_of_which_a_member_has_ended_is_no_mistake():
    rows = builders.gang(builders.node(), builders.node(), state="running")
    finish([PlacementOutcome(PlacementRef(rows[0].pk, str(rows[0].attempt.token)), EndReason.COMPLETED, exit_code=0)])
    assert Job.objects.get().state == "running"
    assert (quota_audit.audit().findings, later().findings) == ([], [])


def test_amounts_are_put_right(node):
    job = running(node)
    of(job).update(cpus=40, memory_mb=5)
    _, told, shown = seen_and_mended()
    assert (shown["rows", "cpus"], shown["rows", "memory_mb"]) == (38, 1_019)
    assert "holds 2 GPUs, 40 CPUs and 5 MB, and the job asks for 2 GPUs, 2 CPUs and 1024 MB" in told[0]
    assert of(job).values_list("cpus", "memory_mb").get() == (2, 1_024)


def test_which_gpus_a_placement_has_is_known_by_what_is_held_for_it(node):
    job = running(node, gpus=(2, 5))
    of(job).update(gpu_indices=[2])
    seen_and_mended()
    assert of(job).get().gpu_indices == [2, 5]


def test_a_gpu_that_is_not_held_for_its_placement_is_held_again(node):
    job = running(node)
    GpuHold.objects.filter(index=1).delete()
    _, _, shown = seen_and_mended()
    assert shown["gpu_holds", "gpus"] == 1
    assert sorted(GpuHold.objects.values_list("placement", "index")) == [(of(job).get().pk, 0), (of(job).get().pk, 1)]


def test_what_a_node_may_still_run_is_told_and_left_alone_until_its_lease_is_over(node):
    job = running(node)
    Attempt.objects.filter(job=job).update(ended_at=Now(), end_reason="completed")
    of(job).update(lease_expires_at=timezone.now() + MINUTE)
    quota_audit.audit()
    look = later()
    assert (len(look.findings) > 0, list(look.mended)) == (True, [])
    assert StandingAlert.objects.filter(key=quota_audit.KEY).exists()
    of(job).update(lease_expires_at=timezone.now() - LONG)
    assert len(later().mended) > 0


def test_what_is_there_for_a_moment_only_counts_for_nothing(node):
    job = running(node)
    of(job).update(cpus=40)
    quota_audit.audit()
    of(job).update(cpus=2)
    assert later().findings == []
    assert set(drift().values()) == {0}


def test_two_looks_at_once_make_no_settled_time(node):
    of(running(node)).update(cpus=40)
    quota_audit.audit()
    assert quota_audit.audit().findings == []


def saying(node, *placements, since=LONG):
    node.load = {"placements": list(placements)}
    node.registered_at = timezone.now() - since
    node.save()


def test_what_an_agent_has_lost_is_told_and_left_to_its_lease(node):
    job = running(node)
    of(job).update(claimed_at=timezone.now() - LONG, lease_expires_at=timezone.now() + MINUTE)
    saying(node)
    quota_audit.audit()
    look = later()
    assert [one.mistake for one in look.findings] == [Mistake.UNKNOWN_TO_AGENT]
    assert drift()["agents", "gpus"] == 2
    assert (list(look.mended), of(job).get().closed_at) == ([], None)
    saying(node, of(job).get().pk)
    assert later().findings == []


def test_what_an_agent_runs_for_nobody_is_told(node):
    job = running(node)
    of(job).update(state="closed", closed_at=timezone.now() - LONG)
    Attempt.objects.filter(job=job).update(ended_at=timezone.now() - LONG, end_reason="completed")
    Job.objects.filter(pk=job.pk).update(state="completed", finished_at=Now())
    GpuHold.objects.all().delete()
    saying(node, of(job).get().pk, 4_711_000)
    quota_audit.audit()
    assert [one.mistake for one in later().findings] == [Mistake.UNKNOWN_TO_ROWS] * 2


def test_what_was_claimed_after_the_word_of_the_agent_is_no_difference(node):
    job = running(node)
    of(job).update(claimed_at=F("created_at"))
    saying(node)
    assert (quota_audit.audit().findings, later().findings) == ([], [])


def test_an_agent_that_does_not_say_what_it_runs_is_not_asked(node):
    of(running(node)).update(claimed_at=timezone.now() - LONG)
    assert (quota_audit.audit().findings, later().findings) == ([], [])


@pytest.mark.django_db(transaction=True)
def test_a_job_that_somebody_is_at_work_on_is_left_to_the_next_look():
    job = running(builders.node(cpus=64, gpus=8))
    of(job).update(cpus=40)
    quota_audit.audit()
    assert beside(hold(job), lambda: quota_repair.mend(job.pk)) == []
