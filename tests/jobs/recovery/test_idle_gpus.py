"""Jobs whose GPUs idle: who climbs which rung, once in each stretch, what they are told, and what is counted of it."""

import time
from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from executors.upload import activity
from jobs.attempts import claims, tally_audit
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import IdleGpuRule, IdleGpuStep, Job, Placement
from jobs.models.planning import UsageTally
from jobs.recovery import idle_gpu_mail, idle_gpus
from jobs.reports.job_history import history_of
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.lifecycle import EndReason, JobState
from tests import builders
from tests.executors.upload.test_logs import run_of
from tests.racing import race
from tests.rest import V1, client_of
from workers.runtime.gpu_use import GpuUse
from workers.runtime.process import CommandResult

pytestmark = pytest.mark.django_db
HOUR = 60


def ago(minutes: float):
    return timezone.now() - timedelta(minutes=minutes)


def rule(**fields) -> IdleGpuRule:
    return IdleGpuRule.objects.create(**{"warn_minutes": 10, "start_minutes": 0} | fields)


def holding(*, idle: float, gpus: int = 2, seen: float = 0, **fields) -> Job:
    """A job that has held GPUs for ten hours, none of which has worked for so many minutes, as was seen so long ago."""
    job = builders.running_job(
        gpu_indices=range(gpus), **{"checkpointable": True, "started_at": ago(10 * HOUR)} | fields
    )
    idles(job, idle, seen=seen)
    return job


def idles(job: Job, minutes: float, *, seen: float = 0) -> None:
    """Moves the rows: its GPUs worked last so long before they were looked at."""
    rows = Placement.objects.filter(attempt__job=job, closed_at__isnull=True)
    rows.update(gpus_active_at=ago(minutes + seen), gpus_measured_at=ago(seen), created_at=ago(10 * HOUR))


def pass_by(minutes: float) -> None:
    """What was written down is older by so much."""
    for step in IdleGpuStep.objects.all():
        IdleGpuStep.objects.filter(pk=step.pk).update(at=step.at - timedelta(minutes=minutes))


def climbed(job: Job) -> list[str]:
    return list(IdleGpuStep.objects.filter(attempt__job=job).values_list("rung", flat=True))


def kinds(job: Job) -> list[str]:
    return list(job.events.order_by("id").values_list("kind", flat=True))


def end(job: Job, reason: EndReason, **fields) -> Job:
    row = Placement.objects.select_related("attempt").get(attempt__job=job, closed_at__isnull=True)
    finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason, exit_code=143, **fields)])
    job.refresh_from_db()
    return job


def test_without_a_rule_nothing_happens(django_assert_num_queries):
    job = holding(idle=1_000)
    with django_assert_num_queries(1):
        assert idle_gpus.climb() == 0
    assert kinds(job) == []


def test_it_is_warned_once_in_each_stretch():
    job = holding(idle=11)
    rule(project=job.project)
    for _ in range(2):
        idle_gpus.climb()
    assert kinds(job) == ["gpus_idle"]
    assert job.events.get().message == "None of its 2 GPUs has worked for 11 minutes."

    pass_by(60)  # they worked meanwhile, and idle again
    idle_gpus.climb()
    assert kinds(job) == ["gpus_idle", "gpus_idle"]


@pytest.mark.parametrize(
    "not_known", [{"seen": 2}, {"started_at": ago(5)}, {"suspended_at": ago(1)}, {"desired": "cancel"}]
)
def test_who_is_not_measured_now_has_just_started_stands_still_or_leaves_is_left_alone(not_known):
    job = holding(idle=60, **not_known)
    rule(project=job.project, start_minutes=10)
    idle_gpus.climb()
    assert kinds(job) == []


def test_gpus_that_nobody_ever_measured_are_not_idle():
    job = holding(idle=60)
    Placement.objects.update(gpus_active_at=None, gpus_measured_at=None)
    rule(project=job.project)
    idle_gpus.climb()
    assert kinds(job) == []


@pytest.mark.parametrize(("other", "rungs"), [(60, ["warn"]), (1, [])])
def test_a_gang_idles_when_all_its_gpus_do(other, rungs):
    job = holding(idle=60)
    peer = builders.placement(attempt=job.attempts.get(), rank=1, gpu_indices=[0], state="running")
    Placement.objects.filter(pk=peer.pk).update(gpus_active_at=ago(other), gpus_measured_at=ago(0))
    rule(project=job.project)
    idle_gpus.climb()
    assert climbed(job) == rungs


def test_a_gang_of_which_one_node_tells_nothing_is_left_alone():
    job = holding(idle=60)
    builders.placement(attempt=job.attempts.get(), rank=1, gpu_indices=[0], state="running")
    rule(project=job.project)
    idle_gpus.climb()
    assert climbed(job) == []


def test_the_nearest_project_above_and_the_stricter_of_project_and_queue_hold():
    org = builders.project()
    off, above, queue = builders.project(parent=org), builders.project(parent=org), builders.queue()
    rule(project=org, warn_minutes=30)
    IdleGpuRule.objects.create(project=off)
    rule(queue=queue, warn_minutes=90, start_minutes=0)
    jobs = [holding(idle=60, project=one) for one in (off, above, org)]
    lined_up = [holding(idle=minutes, project=off, queue=queue) for minutes in (60, 91)]
    idle_gpus.climb()
    assert [climbed(one) for one in jobs + lined_up] == [[], ["warn"], ["warn"], [], ["warn"]]


def test_it_is_told_what_to_do_and_what_follows():
    job = holding(idle=31)
    rule(project=job.project, suggest_minutes=30, requeue_minutes=60)
    idle_gpus.climb()
    pass_by(20)
    idle_gpus.climb()
    told = job.events.last().message
    assert kinds(job) == ["gpus_idle", "gpus_idle_advice"]
    assert f"Ask for fewer GPUs, look at how it loads its data (`trainyard seff {job.pk}`), or pause it" in told
    assert told.endswith("After 60 minutes it goes back in line.")
    assert told in [one.sentence for one in history_of(job)]


def requeue(job: Job) -> Job:
    """From the warning on, up to its being in line again."""
    idle_gpus.climb()
    pass_by(50)
    assert idle_gpus.climb() == 1
    job.refresh_from_db()
    assert job.desired == "preempt"
    return end(job, EndReason.PREEMPTED, asked=True, saved=True)


def test_one_that_can_save_goes_back_in_line_with_a_lower_priority_and_is_not_charged_for_its_idle_time(settings):
    settings.HALF_LIFE_SECONDS = 10**9
    owner = builders.user()
    job = holding(idle=60, owner=owner, priority=60, max_runtime_seconds=12 * 3600, max_retries=0)
    rule(project=job.project, requeue_minutes=60, requeue_priority=5)
    requeue(job)
    assert (job.state, job.priority, job.retries_used) == (JobState.PENDING, 5, 0)
    assert "goes back in line with priority 5" in job.attempts.get().message
    # Ten hours of two GPUs, less the last one.
    assert UsageTally.objects.get().used == pytest.approx(9 * 2 * 3600, rel=0.001)
    assert tally_audit.audit() == []
    step = IdleGpuStep.objects.get(rung="requeue")
    assert step.idle_gpu_seconds == pytest.approx(2 * 3600, rel=0.001)
    assert step.freed_gpu_seconds == pytest.approx(2 * 2 * 3600, rel=0.001)


def test_a_lower_priority_of_its_own_stays():
    job = holding(idle=60, priority=3)
    rule(project=job.project, requeue_minutes=60, requeue_priority=5)
    assert requeue(job).priority == 3


@pytest.mark.parametrize(("stop", "told"), [(None, []), (120, ["idle_stop_requested"])])
def test_one_that_idles_again_is_stopped_or_kept_and_never_goes_round(stop, told):
    job = holding(idle=60)
    rule(project=job.project, requeue_minutes=60, stop_minutes=stop)
    requeue(job)
    Job.objects.filter(pk=job.pk).update(state=JobState.RUNNING)
    node = builders.node(gpus=2)
    attempt = builders.attempt(job=job, started_at=ago(10 * HOUR))
    builders.placement(attempt=attempt, node=node, gpu_indices=[0, 1], state="running")
    idles(job, 300)
    before = len(kinds(job))
    for _ in range(5):
        idle_gpus.climb()
        pass_by(200)
        idles(job, 10_000)
    assert kinds(job)[before:] == ["gpus_idle", *told]


def test_who_cannot_save_is_stopped_for_good_with_a_reason_of_its_own():
    job = holding(idle=121, checkpointable=False, max_retries=3)
    rule(project=job.project, requeue_minutes=60, stop_minutes=120)
    idle_gpus.climb()
    assert "After 120 minutes it is ended." in job.events.last().message
    pass_by(115)
    assert (idle_gpus.climb(), idle_gpus.climb()) == (1, 0)
    job.refresh_from_db()
    assert job.desired == "idle"
    end(job, EndReason.IDLE)
    assert (job.state, job.end_reason, job.retries_used) == (JobState.FAILED, "idle", 0)
    assert job.message == "None of its 2 GPUs has worked for 121 minutes: it is ended, and not tried again."
    assert Placement.objects.get().charged_until is None


def test_who_is_cancelled_meanwhile_is_cancelled(monkeypatch):
    job = holding(idle=60)
    rule(project=job.project, requeue_minutes=60)
    idle_gpus.climb()
    pass_by(50)
    looked_at = idle_gpus._requeued
    monkeypatch.setattr(
        idle_gpus, "_requeued", lambda idle: (actions.cancel(job_id=job.pk, actor="ann"), looked_at(idle))[1]
    )
    assert idle_gpus.climb() == 0
    job.refresh_from_db()
    assert (job.desired, climbed(job)) == ("cancel", ["warn"])


def test_what_was_saved_outlives_the_job():
    job = holding(idle=60)
    rule(project=job.project)
    idle_gpus.climb()
    job.delete()
    assert IdleGpuStep.objects.get().attempt is None


def test_its_owner_is_written_to_once_and_again_where_nobody_took_the_mail(settings, mailoutbox, monkeypatch):
    settings.EMAIL_HOST = "mail.example"
    job = holding(idle=11, owner=builders.user(email="ann@example.com"))
    rule(project=job.project, suggest_minutes=20)
    idle_gpus.climb()
    with monkeypatch.context() as broken:
        broken.setattr("jobs.recovery.idle_gpu_mail.EmailMessage.send", refuse)
        assert (idle_gpu_mail.deliver(), idle_gpu_mail.deliver()) == (0, 0)
    IdleGpuStep.objects.update(mail_at=ago(0))
    assert (idle_gpu_mail.deliver(), idle_gpu_mail.deliver()) == (1, 0)
    assert [(one.to, one.body) for one in mailoutbox] == [(["ann@example.com"], job.events.get().message)]


def refuse(_: object) -> None:
    raise ConnectionRefusedError


def test_without_a_mail_server_nothing_is_kept_to_be_sent():
    job = holding(idle=11, owner=builders.user(email="ann@example.com"))
    rule(project=job.project)
    idle_gpus.climb()
    assert IdleGpuStep.objects.get().mail_at is None


@pytest.mark.parametrize(("saves", "reason", "state"), [(True, "preempted", "pending"), (False, "idle", "failed")])
def test_what_an_agent_sees_leads_to_what_the_agent_does(tmp_path, saves, reason, state):
    job = holding(idle=0, checkpointable=saves)
    rule(project=job.project, requeue_minutes=30, stop_minutes=50)
    run, now = run_of(job, tmp_path / "run"), time.monotonic()
    run.measured.gpu = GpuUse(held=2)
    for ago_ in range(3600, -1, -30):
        run.measured.gpu.look(now - ago_, [{"index": 0, "utilisation": 0}, {"index": 1, "utilisation": 3}])
    Placement.objects.update(gpus_active_at=None, gpus_measured_at=None)
    activity.ship([run])
    idle_gpus.climb()
    pass_by(50)
    assert idle_gpus.climb() == 1

    run.apply_desired(
        claims.renew([run.claimed.ref], node_id=Placement.objects.get().node_id).desired[run.placement_id]
    )
    ending = run.outcome(CommandResult("stopped", 143, "", started_at=now, ended_at=now))
    assert ending.reason == reason
    finish([ending])
    job.refresh_from_db()
    assert (job.state, idle_gpus.climb()) == (state, 0)


@pytest.mark.django_db(transaction=True)
def test_of_a_cancellation_that_comes_first_and_the_ladder_the_cancellation_counts():
    job = holding(idle=60)
    rule(project=job.project, requeue_minutes=60)
    idle_gpus.climb()
    pass_by(50)
    told = race(lambda: actions.cancel(job_id=job.pk, actor="ann"), transaction.atomic(idle_gpus.climb))
    job.refresh_from_db()
    assert (told, job.desired, job.priority, climbed(job)) == (0, "cancel", 50, ["warn"])


def test_whoever_looks_at_the_job_sees_that_it_was_warned_until_its_gpus_work_again():
    job = holding(idle=20)
    client = client_of(builders.user(staff=True))

    def seen():
        return [client.get(f"{V1}/jobs/{job.pk}").json(), client.get(f"{V1}/jobs").json()["results"][0]]

    assert [one["gpus_idle_since"] for one in seen()] == [None, None]
    rule(project=job.project)
    idle_gpus.climb()
    assert all(one["gpus_idle_since"] is not None for one in seen())

    Placement.objects.update(gpus_active_at=timezone.now() + timedelta(seconds=1))
    assert [one["gpus_idle_since"] for one in seen()] == [None, None]
