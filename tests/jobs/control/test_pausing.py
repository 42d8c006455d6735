"""Pausing, resuming and suspending: what becomes of the job, of its attempt, and of its age in line."""

from datetime import timedelta

import pytest
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Attempt, GpuHold, Job, JobEvent, Placement
from jobs.planning import cycle
from jobs.planning.snapshot import take_snapshot
from jobs.recovery import stalls
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError
from scheduling.lifecycle import EndReason, JobState, PlacementState
from tests import builders
from tests.changing import change

pytestmark = pytest.mark.django_db
HOUR = timedelta(hours=1)


def end(job: Job, reason: EndReason, **fields) -> Job:
    [placement] = Placement.objects.filter(attempt__job=job, closed_at__isnull=True).select_related("attempt")
    finish([PlacementOutcome(PlacementRef(placement.pk, str(placement.attempt.token)), reason, **fields)])
    job.refresh_from_db()
    return job


def pause(job: Job) -> Job:
    return actions.pause(job_id=job.pk, actor="ann")


def resume(job: Job) -> Job:
    return actions.resume(job_id=job.pk, actor="ann")


def suspend(job: Job) -> Job:
    return actions.suspend(job_id=job.pk, actor="ann")


def claimed_job(**fields) -> Job:
    job = builders.job(state=JobState.ASSIGNED, **fields)
    builders.placement(attempt=builders.attempt(job=job), state=PlacementState.CLAIMED)
    return job


def kinds(job: Job) -> list[str]:
    return list(JobEvent.objects.filter(job=job).values_list("kind", flat=True))


def test_a_waiting_job_is_paused_at_once_and_no_cycle_starts_it():
    builders.node()
    job = pause(builders.job())

    assert (job.state, job.reasons, cycle.run_cycle().placed) == ("paused", [], 0)
    assert kinds(job) == ["paused"]


def test_a_placed_job_that_nobody_claimed_is_paused_at_once_and_gives_its_gpus_back():
    job = builders.job(state=JobState.QUEUED, gpus=1)
    builders.placement(attempt=builders.attempt(job=job), gpu_indices=[0])

    assert pause(job).state == "paused"
    assert not GpuHold.objects.exists()
    assert Attempt.objects.get().end_reason == "paused"


def test_a_running_job_is_stopped_and_paused_with_its_resources_free_and_no_retry_used():
    job = builders.running_job(gpu_indices=[0])
    asked = pause(job)
    assert (asked.state, asked.desired) == ("running", "pause")

    job = end(job, EndReason.PAUSED, exit_code=143, asked=True)

    assert (job.state, job.desired, job.retries_used, job.platform_retries_used) == ("paused", "", 0, 0)
    assert (job.attempts.get().end_reason, GpuHold.objects.exists()) == ("paused", False)
    assert kinds(job) == ["pause_requested", "paused"]


def test_a_claimed_job_whose_command_never_started_is_paused_too():
    job = claimed_job()
    pause(job)

    assert end(job, EndReason.PAUSED).state == "paused"


@pytest.mark.parametrize("said", [{"progress": 1.0}, {"said_done": True}])
@pytest.mark.parametrize("reason", [EndReason.PAUSED, EndReason.COMPLETED])
def test_a_job_that_completes_in_its_grace_and_says_so_is_completed(said, reason):
    job = builders.running_job(**said)
    pause(job)

    assert end(job, reason, exit_code=0, asked=True).state == "completed"


def test_a_job_that_said_it_was_done_and_crashed_in_its_grace_is_paused():
    job = builders.running_job(progress=1.0)
    pause(job)

    assert end(job, EndReason.PAUSED, exit_code=1, asked=True).state == "paused"


@pytest.mark.parametrize("progress", [None, 0.4])
def test_a_job_that_does_not_say_that_it_is_done_is_paused_whatever_it_exits_with(progress):
    job = builders.running_job(progress=progress)
    pause(job)

    job = end(job, EndReason.COMPLETED, exit_code=0, asked=True)
    assert (job.state, job.attempts.get().end_reason) == ("paused", "paused")


@pytest.mark.parametrize(
    ("reason", "fields", "left"),
    [
        (EndReason.NODE_LOST, {}, ("paused", 0, 1)),
        (EndReason.PREEMPTED, {}, ("paused", 0, 0)),
        (EndReason.EXIT_CODE, {"max_retries": 1}, ("paused", 1, 0)),
        (EndReason.EXIT_CODE, {"max_retries": 0}, ("failed", 0, 0)),
    ],
)
def test_however_the_attempt_ends_a_job_that_is_being_paused_does_not_go_back_in_line(reason, fields, left):
    job = builders.running_job(**fields)
    pause(job)

    job = end(job, reason)
    assert (job.state, job.retries_used, job.platform_retries_used) == left


def test_pausing_again_while_it_stops_changes_nothing():
    job = builders.running_job()
    pause(job)
    pause(job)

    assert kinds(job) == ["pause_requested"]


@pytest.mark.parametrize("state", ["paused", "completed", "failed", "cancelled"])
def test_what_is_paused_or_over_is_not_paused(state):
    with pytest.raises(ConflictError, match=state) as caught:
        pause(builders.job(state=state))
    assert caught.value.state == state


def test_a_cancellation_is_stronger_than_a_pause_whichever_comes_first():
    first, second = builders.running_job(), builders.running_job()
    pause(first)
    actions.cancel(job_id=first.pk, actor="ann")
    assert end(first, EndReason.PAUSED, exit_code=143, asked=True).state == "cancelled"

    actions.cancel(job_id=second.pk, actor="ann")
    with pytest.raises(ConflictError, match="cancelled"):
        pause(second)


def test_a_paused_job_is_cancelled_at_once():
    assert actions.cancel(job_id=builders.job(state="paused").pk, actor="ann").state == "cancelled"


def test_a_paused_job_is_requeued_with_all_its_retries():
    job = actions.requeue(job_id=builders.job(state="paused", retries_used=2).pk, actor="ann")

    assert (job.state, job.retries_used, job.reasons[0]["code"]) == ("pending", 0, "new")


def test_a_resumed_job_waits_again_with_a_reason_and_is_started_again():
    builders.node()
    job = resume(pause(builders.job()))

    assert (job.state, job.reasons[0]["code"], cycle.run_cycle().placed) == ("pending", "new", 1)


def test_the_time_for_which_a_job_was_paused_is_no_age_in_line():
    job = pause(builders.job(created_at=timezone.now() - 5 * HOUR))
    Job.objects.update(out_of_line_since=timezone.now() - 3 * HOUR)
    resume(job)

    [waiting] = take_snapshot().waiting
    assert waiting.submitted_at == pytest.approx((timezone.now() - 2 * HOUR).timestamp(), abs=60)

    pause(job)
    Job.objects.update(out_of_line_since=timezone.now() - HOUR / 2)
    resume(job)
    [waiting] = take_snapshot().waiting
    assert waiting.submitted_at == pytest.approx((timezone.now() - 1.5 * HOUR).timestamp(), abs=60)


def test_a_job_paused_while_it_ran_is_out_of_line_from_then_on():
    job = builders.running_job()
    pause(job)

    assert end(job, EndReason.PAUSED).out_of_line_since is not None
    assert resume(job).out_of_line_since is None


def test_a_pause_that_is_taken_back_in_time_is_as_if_it_had_never_been():
    job = builders.running_job()
    pause(job)
    job = resume(job)

    assert (job.state, job.desired) == ("running", "")
    assert end(job, EndReason.COMPLETED, exit_code=0).state == "completed"


def test_a_job_that_stopped_although_the_pause_was_taken_back_is_in_line_again():
    job = builders.running_job()
    pause(job)
    resume(job)

    job = end(job, EndReason.PAUSED, exit_code=143, asked=True)
    assert (job.state, job.retries_used, job.platform_retries_used) == ("pending", 0, 0)


@pytest.mark.parametrize("state", ["pending", "running", "completed", "cancelled"])
def test_only_a_paused_or_suspended_job_is_resumed(state):
    job = builders.running_job() if state == "running" else builders.job(state=state)

    with pytest.raises(ConflictError, match=state) as caught:
        resume(job)
    assert caught.value.state == state


def test_place_in_line_and_limit_of_a_paused_job_may_be_changed():
    job = pause(builders.job())

    job = change(job_id=job.pk, actor="ann", priority=90, queue="live", max_runtime_seconds=60)
    assert (job.priority, job.queue.name, job.max_runtime_seconds, job.state) == (90, "live", 60, "paused")


class TestGangs:
    @pytest.fixture
    def members(self) -> list[Placement]:
        job = builders.job(state=JobState.RUNNING, nodes=2)
        attempt = builders.attempt(job=job, started_at=timezone.now())
        return [
            builders.placement(attempt=attempt, rank=rank, state=PlacementState.RUNNING, node=builders.node())
            for rank in (0, 1)
        ]

    @staticmethod
    def end(member: Placement, reason: EndReason, **fields) -> Job:
        finish([PlacementOutcome(PlacementRef(member.pk, str(member.attempt.token)), reason, **fields)])
        return Job.objects.get()

    def test_every_member_is_told_and_the_last_one_pauses_the_job(self, members):
        pause(Job.objects.get())
        assert set(claims.desired([one.pk for one in members]).values()) == {"pause"}

        assert self.end(members[0], EndReason.PAUSED, exit_code=143, asked=True).state == "running"
        job = self.end(members[1], EndReason.EXIT_CODE, exit_code=1)  # it lost its peer before it was told
        assert (job.state, job.retries_used, Attempt.objects.get().end_reason) == ("paused", 0, "paused")

    def test_a_pause_that_is_taken_back_after_a_member_has_gone_ends_the_others(self, members):
        pause(Job.objects.get())
        self.end(members[0], EndReason.PAUSED, exit_code=143, asked=True)
        resume(Job.objects.get())

        assert claims.desired([members[1].pk]) == {members[1].pk: "end"}
        assert self.end(members[1], EndReason.GANG_ENDED).state == "pending"

    def test_a_half_claimed_gang_is_paused_whole(self, members):
        Job.objects.update(state=JobState.QUEUED)
        Placement.objects.filter(rank=0).update(state=PlacementState.CLAIMED, claimed_at=timezone.now())
        Placement.objects.filter(rank=1).update(state=PlacementState.PLACED)

        assert pause(Job.objects.get()).state == "queued"
        assert self.end(members[0], EndReason.PAUSED).state == "paused"

    def test_a_half_claimed_gang_whose_pause_is_taken_back_waits_for_nobody(self, members):
        Job.objects.update(state=JobState.QUEUED)
        Placement.objects.filter(rank=1).update(state=PlacementState.PLACED)
        pause(Job.objects.get())
        resume(Job.objects.get())

        assert claims.desired([members[0].pk]) == {members[0].pk: "end"}
        assert self.end(members[0], EndReason.GANG_ENDED).state == "pending"


class TestSuspension:
    def test_a_suspended_job_runs_on_paper_keeps_what_it_holds_and_its_nodes_are_told(self):
        job = suspend(builders.running_job(gpu_indices=[0]))
        placement = Placement.objects.get()

        assert (job.state, job.suspended, GpuHold.objects.count()) == ("running", True, 1)
        assert claims.desired([placement.pk]) == {placement.pk: "suspend"}
        assert kinds(job) == ["suspended"]

    def test_nodes_are_told_of_the_end_of_a_suspension_that_they_know_of(self):
        job = resume(suspend(builders.running_job()))
        placement = Placement.objects.get()

        assert not job.suspended
        assert claims.desired([placement.pk]) == {}
        assert claims.desired([placement.pk], [placement.pk]) == {placement.pk: ""}

    @pytest.mark.parametrize("state", ["pending", "queued", "assigned", "paused", "completed"])
    def test_only_a_running_job_is_suspended(self, state):
        with pytest.raises(ConflictError, match=state) as caught:
            suspend(builders.job(state=state))
        assert caught.value.state == state

    def test_neither_one_that_is_suspended_nor_one_that_is_being_stopped_is_suspended(self):
        with pytest.raises(ConflictError, match="suspended already"):
            suspend(suspend(builders.running_job()))
        with pytest.raises(ConflictError, match="preempt"):
            suspend(builders.running_job(desired="preempt"))

    def test_a_suspended_job_is_not_stalled_and_the_watch_goes_on_where_it_was(self):
        job = builders.running_job(stall_seconds=600, progress_at=timezone.now() - HOUR)
        suspend(job)
        Job.objects.update(suspended_at=timezone.now() - HOUR + timedelta(seconds=300))
        assert stalls.detect() == 0

        resume(job)
        assert stalls.detect() == 0
        assert Job.objects.get().suspended_seconds == pytest.approx(3300, abs=60)
        Job.objects.update(stall_seconds=200)
        assert stalls.detect() == 1

    def test_the_clock_of_its_limit_stands_still_for_the_planner_too(self):
        began = timezone.now() - 2 * HOUR
        job = builders.running_job(started_at=began, max_runtime_seconds=3 * 3600)
        suspend(job)
        Job.objects.update(suspended_at=timezone.now() - HOUR, suspended_seconds=600)

        [seen] = take_snapshot().running
        assert seen.expected_end == pytest.approx((began + 4 * HOUR).timestamp() + 600, abs=60)

    @pytest.mark.parametrize("wish", [actions.cancel, actions.pause, actions.requeue])
    def test_a_wish_to_stop_it_wakes_it_up(self, wish):
        job = suspend(builders.running_job())
        job = wish(job_id=job.pk, actor="ann")

        assert (job.suspended, job.suspended_at) == (False, None)
        assert list(claims.desired([Placement.objects.get().pk]).values()) == [job.desired]

    @pytest.mark.parametrize(
        ("reason", "desired"),
        [(EndReason.NODE_LOST, ""), (EndReason.PREEMPTED, ""), (EndReason.PREEMPTED, "preempt")],
    )
    def test_a_suspended_job_that_loses_its_place_rests_instead_of_starting_elsewhere(self, reason, desired):
        job = suspend(builders.running_job())
        Job.objects.update(desired=desired)

        job = end(job, reason)
        assert (job.state, job.suspended_at) == ("paused", None)

    def test_the_next_attempt_is_not_suspended(self):
        builders.node()
        job = suspend(builders.running_job())
        end(job, EndReason.NODE_LOST)
        resume(job)
        cycle.run_cycle()

        job.refresh_from_db()
        assert (job.state, job.suspended_at, job.suspended_seconds) == ("queued", None, 0)
