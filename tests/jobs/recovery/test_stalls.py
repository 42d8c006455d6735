"""Who stalls: judged by the attempt's own clock and signs of life, and of a gang by the ranks that are still there."""

from dataclasses import replace
from datetime import timedelta

import pytest
from django.utils import timezone

from executors.run.placement_run import PlacementRun
from executors.upload import activity
from jobs.attempts.completion import finish
from jobs.models import Job, JobEvent, Placement
from jobs.planning.cycle import _commit_placements
from jobs.recovery import stalls
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, JobState
from scheduling.planning.plan import PlannedJob
from scheduling.resources import Resources
from scheduling.snapshot import Allocation
from tests import builders
from tests.executors.run.test_placement_run import SINGLE

pytestmark = pytest.mark.django_db


def ago(seconds: float):
    return timezone.now() - timedelta(seconds=seconds)


def reporting(**fields) -> Job:
    return builders.running_job(**{"progress": 0.5, "progress_at": ago(100), "stall_seconds": 60} | fields)


def kinds(job: Job) -> list[str]:
    return list(job.events.order_by("id").values_list("kind", flat=True))


@pytest.mark.parametrize(("seconds", "stopped"), [(5, 0), (70, 1)])
def test_a_job_that_shows_any_sign_of_life_does_not_stall(seconds, stopped):
    reporting()
    Placement.objects.update(active_at=ago(seconds))
    assert stalls.detect() == stopped


def test_one_that_works_without_progress_is_told_of_once():
    job = reporting()
    Placement.objects.update(active_at=ago(5))
    for _ in range(2):
        stalls.detect()
    assert kinds(job) == ["no_progress"]


@pytest.mark.parametrize("said", [{"progress": 1.0}, {"said_done": True}])
def test_what_comes_after_the_end_of_the_work_has_a_limit_of_its_own(settings, said):
    settings.FINISH_SECONDS = 200
    job = reporting(**said)
    assert stalls.detect() == 0

    Job.objects.filter(pk=job.pk).update(progress_at=ago(201))
    assert stalls.detect() == 1


def test_an_attempt_begins_with_a_clock_of_its_own():
    builders.node(name="n1")
    job = builders.job(progress=1.0, said_done=True, progress_at=ago(10_000), stall_seconds=60)
    _commit_placements([PlannedJob(job.pk, (Allocation("n1", Resources(1, 0, 0), (), 0),))], "best_fit")

    job.refresh_from_db()
    assert (job.progress, job.said_done) == (None, False)
    assert job.progress_at > ago(60)
    Job.objects.update(state=JobState.RUNNING)
    assert stalls.detect() == 0


def test_a_job_that_has_never_reported_is_not_watched_in_its_next_attempt_either():
    builders.node(name="n1")
    job = builders.job()
    _commit_placements([PlannedJob(job.pk, (Allocation("n1", Resources(1, 0, 0), (), 0),))], "best_fit")
    job.refresh_from_db()
    assert job.progress_at is None


@pytest.mark.parametrize("progress_at", [None, ago(1000)])
def test_a_rank_that_hangs_when_the_others_have_ended_is_named(progress_at):
    ranks = builders.gang(*(builders.node(name=name) for name in ("n1", "n2")), state="running",
                          progress_at=progress_at, progress=1.0 if progress_at else None, stall_seconds=60)  # fmt: skip
    token = str(ranks[0].attempt.token)
    finish([PlacementOutcome(PlacementRef(ranks[0].pk, token), EndReason.COMPLETED, exit_code=0)])
    assert stalls.detect() == 0

    Placement.objects.filter(pk=ranks[0].pk).update(closed_at=ago(61))
    assert stalls.detect() == 1
    finish([PlacementOutcome(PlacementRef(ranks[1].pk, token), EndReason.STALLED, exit_code=143)])
    assert "rank 1 on n2" in JobEvent.objects.filter(kind="stalled").get().message
    assert "rank 1 on n2" in Job.objects.get().message


def test_what_an_agent_sees_is_told_under_the_attempt_s_token_only(tmp_path, monkeypatch):
    placement = Placement.objects.get(attempt__job=reporting())
    for token, told in (("stale", False), (str(placement.attempt.token), True)):
        run = PlacementRun(replace(SINGLE, placement_id=placement.pk, token=token), tmp_path, lease_deadline=0)
        monkeypatch.setattr("executors.upload.activity.time.monotonic", lambda: 1000.0)
        run.active_at = 997.0
        activity.ship([run])
        placement.refresh_from_db()
        assert (placement.active_at is not None) == told
    assert 2 < (timezone.now() - placement.active_at).total_seconds() < 60
