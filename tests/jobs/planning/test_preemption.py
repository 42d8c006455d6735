"""Running jobs give way to waiting ones: who is told, what is promised, how it ends, and what is remembered."""

from datetime import timedelta

import pytest
from django.db import transaction
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import actions
from jobs.models import Job, JobEvent, Placement, Preemption
from jobs.planning import cycle, preemption
from jobs.planning.snapshot import take_snapshot
from jobs.state.outcome import PlacementOutcome, PlacementRef
from jobs.usage import job_counts
from quotas.models import Quota
from scheduling.lifecycle import EndReason
from scheduling.plan_result import PlannedPreemption
from tests import builders
from tests.changing import change
from tests.racing import beside, hold

pytestmark = pytest.mark.django_db
LONG_AGO = timedelta(hours=1)


@pytest.fixture
def _by_priority(settings):
    settings.PREEMPTION = ["priority"]


def victim(node=None, **fields):
    """A background job that has run for an hour and can be stopped."""
    return builders.running_job(
        node=node or builders.node(name="n1", cpus=4),
        cpus=4,
        started_at=timezone.now() - LONG_AGO,
        **{"priority": 10, "checkpointable": True} | fields,
    )


def told(victim, for_job, strategy="priority"):
    """The victim was told to give way to the other job."""
    assert preemption.request([PlannedPreemption(victim.pk, for_job.pk, strategy, 90.0)]) == 1
    return fresh(victim)


def fresh(job):
    return Job.objects.get(pk=job.pk)


def counted(series):
    """How many so far, and the seconds of them all, by strategy."""
    return {one.label: (one.number, one.seconds) for one in job_counts.counts() if one.series == series}


def ended(job, reason=EndReason.PREEMPTED, **fields):
    """The node reports the end of the job's attempt."""
    row = Placement.objects.select_related("attempt").get(attempt__job=job, closed_at__isnull=True)
    finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason, **fields)])
    return fresh(job)


@pytest.mark.usefixtures("_by_priority")
def test_a_cycle_tells_the_victim_promises_the_room_and_says_so_to_both():
    running, urgent = victim(), builders.job(cpus=4, priority=90)

    cycle.run_cycle()

    assert (fresh(running).state, fresh(running).desired) == ("running", "preempt")
    assert fresh(urgent).promised
    row = Preemption.objects.get()
    assert (row.attempt.job_id, row.for_job_id, row.strategy) == (running.pk, urgent.pk, "priority")
    assert row.lost_seconds == pytest.approx(3660, abs=30)
    event = JobEvent.objects.get(job=running, kind="preempt_requested")
    assert event.data["for_job"] == urgent.pk
    assert f"job {urgent.pk} (priority)" in event.message
    assert JobEvent.objects.get(job=urgent, kind="room_promised").data["job"] == running.pk


@pytest.mark.usefixtures("_by_priority")
def test_a_second_cycle_stops_nobody_else_for_the_same_room():
    victim()
    builders.running_job(node=builders.node(name="n2", cpus=4), cpus=4, priority=10, checkpointable=True,
                         started_at=timezone.now() - LONG_AGO)  # fmt: skip
    builders.job(cpus=4, priority=90)

    for _ in range(3):
        cycle.run_cycle()

    assert Preemption.objects.count() == 1


@pytest.mark.usefixtures("_by_priority")
def test_the_room_goes_to_the_job_it_was_made_for_and_the_victim_waits_in_its_old_place():
    running, urgent = victim(), builders.job(cpus=4, priority=90)
    cycle.run_cycle()
    later = builders.job(cpus=4, priority=95)

    ended(running, exit_code=143)
    cycle.run_cycle()

    states = {job.pk: (job.state, job.promised) for job in Job.objects.all()}
    assert states == {running.pk: ("pending", False), urgent.pk: ("queued", False), later.pk: ("pending", False)}
    seen = {job.id: job for job in take_snapshot().waiting}[running.pk]
    assert (seen.submitted_at, seen.preemptions, seen.near) == (running.created_at.timestamp(), 1, ("n1",))


@pytest.mark.parametrize("wish", ["cancel", "requeue", "stall"])
def test_a_job_of_which_something_else_is_wanted_already_is_left_alone(wish):
    running, urgent = victim(desired=wish), builders.job(priority=90)

    assert preemption.request([PlannedPreemption(running.pk, urgent.pk, "priority", 1.0)]) == 0
    assert (fresh(running).desired, fresh(urgent).promised) == (wish, False)


def test_no_victim_is_told_when_one_of_them_has_ended_meanwhile():
    one, urgent = victim(), builders.job(priority=90)
    other = victim(node=builders.node(name="n2"))
    ended(other, EndReason.COMPLETED)

    plan = [PlannedPreemption(job.pk, urgent.pk, "priority", 1.0) for job in (one, other)]

    assert preemption.request(plan) == 0
    assert fresh(one).desired == ""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("which", ["victim", "waiting"])
def test_a_job_that_somebody_holds_is_not_waited_for_and_nobody_is_told_in_part(which):
    first, urgent = victim(), builders.job(priority=90)
    second = victim(node=builders.node(name="n2"))
    plan = [PlannedPreemption(job.pk, urgent.pk, "priority", 1.0) for job in (first, second)]

    request = transaction.atomic(lambda: preemption.request(plan))  # as a cycle does

    told = beside(hold(second if which == "victim" else urgent), request)

    assert (told, fresh(first).desired, fresh(urgent).promised) == (0, "", False)
    assert request() == 2


def test_nobody_is_told_for_a_job_that_does_not_wait_any_more():
    running, gone = victim(), builders.job(priority=90, state="cancelled")

    assert preemption.request([PlannedPreemption(running.pk, gone.pk, "priority", 1.0)]) == 0
    assert fresh(running).desired == ""


def test_giving_way_costs_no_retry():
    running = told(victim(), builders.job(priority=90))

    job = ended(running, exit_code=143)

    assert (job.state, job.desired, job.retries_used, job.platform_retries_used) == ("pending", "", 0, 0)
    assert (job.attempts.get().end_reason, job.attempts.get().exit_code) == ("preempted", 143)


@pytest.mark.parametrize("said", [{"progress": 1.0}, {"progress": 0.9, "said_done": True}])
def test_a_command_that_completes_in_its_grace_and_says_so_is_completed(said):
    running = told(victim(**said), builders.job(priority=90))

    job = ended(running, EndReason.COMPLETED, exit_code=0, asked=True)

    assert (job.state, counted("preempted")) == ("completed", {})


@pytest.mark.parametrize("progress", [None, 0.4])
def test_a_command_that_does_not_say_that_it_is_done_goes_back_in_line_whatever_it_exits_with(progress):
    running = told(victim(progress=progress), builders.job(priority=90))

    assert ended(running, EndReason.COMPLETED, exit_code=0, asked=True).state == "pending"


def test_what_completes_before_the_signal_reached_it_is_completed():
    running = told(victim(progress=0.4), builders.job(priority=90))

    assert ended(running, EndReason.COMPLETED, exit_code=0).state == "completed"


def test_a_job_that_is_cancelled_while_it_gives_way_is_cancelled():
    running = told(victim(), builders.job(priority=90))
    actions.cancel(job_id=running.pk, actor="ann")

    assert ended(running, EndReason.COMPLETED, exit_code=0, asked=True).state == "cancelled"


@pytest.mark.parametrize("end", [actions.cancel, lambda **who: change(priority=10, **who)])
def test_a_promise_ends_when_the_job_does_not_want_the_room_any_more_or_stands_elsewhere_in_line(end):
    urgent = builders.job(priority=90)
    told(victim(), urgent)

    end(job_id=urgent.pk, actor="ann")

    assert not fresh(urgent).promised


def test_another_name_keeps_the_promise():
    urgent = builders.job(priority=90)
    told(victim(), urgent)

    change(job_id=urgent.pk, actor="ann", name="better")

    assert fresh(urgent).promised


def test_the_snapshot_knows_who_is_leaving_who_may_be_stopped_and_how_often_that_happened():
    checkpoint = timezone.now() - timedelta(minutes=5)
    running = told(victim(checkpoint_at=checkpoint, preemptible=False), builders.job(priority=90))

    [seen] = take_snapshot().running

    assert (seen.id, seen.leaving, seen.checkpointable, seen.preemptible, seen.checkpoint_at, seen.preemptions) == (
        running.pk, True, True, False, checkpoint.timestamp(), 0,
    )  # fmt: skip
    assert take_snapshot().recent_preemptions == 1


def test_only_the_last_hour_counts_for_the_rate():
    told(victim(), builders.job(priority=90))
    Preemption.objects.update(at=timezone.now() - timedelta(minutes=61))

    assert preemption.recent() == 0


def test_counters_tell_what_each_strategy_has_cost():
    one, two = victim(), victim(node=builders.node(name="n2"))
    told(one, builders.job(priority=90))
    told(two, builders.job(priority=90), strategy="reclaim")
    ended(one, exit_code=143)

    assert counted("preemptions") == {"priority": (1, 0.0), "reclaim": (1, 0.0)}
    assert counted("preempted") == {"priority": (1, 90.0)}


def test_every_member_of_a_gang_is_told():
    gang = builders.job(state="running", nodes=2, cpus=4, checkpointable=True, priority=10)
    attempt = builders.attempt(job=gang, started_at=timezone.now() - LONG_AGO)
    nodes = [builders.node(name=name, cpus=4) for name in ("n1", "n2")]
    rows = [builders.placement(attempt=attempt, node=node, rank=rank, state="running", cpus=4)
            for rank, node in enumerate(nodes)]  # fmt: skip
    told(gang, builders.job(priority=90))

    assert claims.desired([row.pk for row in rows]) == dict.fromkeys([row.pk for row in rows], "preempt")
    tickets = [PlacementRef(row.pk, str(attempt.token)) for row in rows]
    finish([PlacementOutcome(tickets[0], EndReason.COMPLETED, exit_code=0, asked=True)])
    finish([PlacementOutcome(tickets[1], EndReason.PREEMPTED, exit_code=143, asked=True)])
    assert (fresh(gang).state, fresh(gang).attempts.get().end_reason) == ("pending", "preempted")


def test_the_snapshot_knows_for_whom_somebody_leaves_and_what_was_freed_for_it_also_when_that_one_has_gone():
    one, other, urgent = victim(), victim(node=builders.node(name="n2", cpus=4)), builders.job(cpus=4, priority=90)
    told(one, urgent)
    told(other, urgent)

    ended(one, exit_code=143)

    seen = take_snapshot()
    assert [(job.id, job.leaving_for) for job in seen.running] == [(other.pk, urgent.pk)]
    assert [share.node for job in seen.waiting if job.id == urgent.pk for share in job.room] == ["n1", "n2"]


def test_what_was_freed_for_an_earlier_attempt_is_forgotten():
    urgent = builders.job(cpus=4, priority=90)
    told(victim(), urgent)

    Job.objects.filter(pk=urgent.pk).update(queued_at=timezone.now() + timedelta(seconds=1))

    assert preemption.rooms() == {}


@pytest.mark.usefixtures("_by_priority")
def test_two_urgent_jobs_stop_one_each_while_these_take_their_time_to_go():
    running = [victim(node=builders.node(name=f"n{number}", cpus=4)) for number in range(4)]
    urgent = [builders.job(cpus=4, priority=90) for _ in range(2)]

    for _ in range(4):
        cycle.run_cycle()

    assert sorted(Preemption.objects.values_list("for_job", flat=True)) == [job.pk for job in urgent]
    assert sum(fresh(job).desired == "preempt" for job in running) == 2


@pytest.mark.usefixtures("_by_priority")
def test_who_is_cancelled_and_in_its_grace_is_room_enough_for_an_urgent_job():
    going, _ = victim(), victim(node=builders.node(name="n2", cpus=4))
    builders.job(cpus=4, priority=90)
    actions.cancel(job_id=going.pk, actor="ann")

    cycle.run_cycle()

    assert not Preemption.objects.exists()


@pytest.mark.usefixtures("_by_priority")
def test_an_urgent_job_displaces_what_its_own_full_quota_holds_though_another_node_is_free():
    running = victim()
    builders.node(name="n2", cpus=4)
    Quota.objects.create(project=running.project, cpus=4)
    urgent = builders.job(project=running.project, cpus=4, priority=90)

    cycle.run_cycle()
    cycle.run_cycle()

    assert list(Preemption.objects.values_list("attempt__job", "for_job")) == [(running.pk, urgent.pk)]


@pytest.fixture
def lent():
    """The quota of one project is held by a job of the other; a job of the first one waits for it."""
    team = builders.project(slug="team")
    lender = builders.project(parent=team, quota={"cpus": 4})
    borrower = builders.project(slug="borrower", parent=team, quota={"cpus": 0, "borrowing_cpus": 4})
    builders.node(name="n2", cpus=8)
    running = builders.running_job(
        node=builders.node(name="n1", cpus=4), cpus=4, priority=90, project=borrower, started_at=timezone.now()
    )
    return running, builders.job(cpus=4, priority=0, project=lender)


def test_quota_that_was_lent_comes_back_within_one_cycle_and_the_grace(settings, lent):
    settings.PREEMPTION, settings.PREEMPTION_MAX_PER_HOUR = [], 0
    running, waits = lent

    cycle.run_cycle()
    assert (fresh(running).desired, fresh(waits).promised) == ("preempt", True)
    assert Preemption.objects.get().strategy == "quota"
    cycle.run_cycle()
    ended(running, exit_code=143)
    cycle.run_cycle()
    cycle.run_cycle()

    assert (fresh(running).state, fresh(waits).state) == ("pending", "queued")
    assert Preemption.objects.count() == 1
    [reason] = fresh(running).reasons
    assert (
        reason["sentence"] == "The projects below team have 4 CPUs together (4 taken or kept); this job needs 4 CPUs."
    )
    assert preemption.recent() == 0


def test_the_reason_of_who_waits_for_lent_quota_names_the_level_and_who_has_it(lent):
    running, waits = lent

    cycle.run_cycle()

    [reason] = fresh(waits).reasons
    assert (reason["code"], reason["shortfall"], reason["held_by"]) == ("quota", {"cpus": 4}, [running.pk])
    assert "4 CPUs together (4 taken or kept, 4 of them borrowed by borrower)" in reason["sentence"]
