"""Under the policy `floor` cycles keep the promises of plain backfilling, whatever happens between them."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.utils import timezone

from jobs.control import actions
from jobs.models import Attempt, FloorShadow, FloorShadowJob, Job, JobEvent, Preemption, Queue
from jobs.models.planning import Reservation
from jobs.planning import cycle, preemption, rebalancing, snapshot
from jobs.planning.floor import floor_shadow
from jobs.reports.job_history import history_of
from quotas.clock import database_now
from quotas.models import Quota
from scheduling.lifecycle import EndReason
from scheduling.plan_result import PlannedPreemption
from scheduling.planning.plan import make_plan
from tests import builders
from tests.jobs.planning.floor_yard import HOUR, begin, narrow_gap, pass_time, restart_planner, shadow
from tests.jobs.planning.test_preemption import ended, fresh
from tests.jobs.planning.test_reservations import keep
from tests.rest import V1, client_of
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _floor(settings):
    settings.SCHEDULING_POLICY, settings.FLOOR_SLACK = "floor", 0.0
    restart_planner()


def states(*jobs):
    return [fresh(job).state for job in jobs]


def broken():
    return FloorShadow.objects.get().broken


def test_before_its_turn_starts_only_who_can_give_way_again():
    first, wide, early, plain = narrow_gap()

    assert states(first, wide, early, plain) == ["running", "pending", "running", "pending"]
    rows = {row.job_id: row.started_at is None for row in FloorShadowJob.objects.all()}
    assert rows == {first.pk: False, early.pk: True}


def test_who_is_due_starts_because_an_opportunistic_job_gives_way():
    first, wide, early, plain = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)

    cycle.run_cycle()

    stop = Preemption.objects.get()
    assert (stop.attempt.job_id, stop.for_job_id, stop.strategy) == (early.pk, wide.pk, "floor")
    assert (fresh(early).desired, fresh(wide).promised, fresh(plain).state) == ("preempt", True, "pending")
    ended(early, EndReason.PREEMPTED, exit_code=143)
    cycle.run_cycle()
    assert states(wide, early, plain) == ["queued", "pending", "pending"]
    assert broken() == {}


def test_the_rows_of_a_job_go_with_its_end_in_the_shadow_and_count_as_a_promise_kept():
    first, wide, early, _ = narrow_gap()
    ended(early, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    assert FloorShadowJob.objects.get(pk=early.pk).work_seconds is not None

    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()

    assert set(FloorShadowJob.objects.values_list("pk", flat=True)) == {wide.pk, early.pk}
    assert FloorShadow.objects.get().kept == 1


def test_a_planner_that_starts_again_knows_what_the_one_before_knew():
    first, *_ = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    known = shadow()

    restart_planner()

    again = shadow()
    assert (again.clock, again.nodes, again.longest_wait, again.broken) == (
        known.clock, known.nodes, known.longest_wait, known.broken,
    )  # fmt: skip
    assert {key: floor_shadow._state(one) for key, one in again.jobs.items()} == {
        key: floor_shadow._state(one) for key, one in known.jobs.items()
    }
    assert known.seen is not None
    cycle.run_cycle()
    assert Preemption.objects.count() == 1


def test_what_another_process_has_planned_meanwhile_is_not_taken_for_ones_own():
    narrow_gap()
    mine = floor_shadow._remembered
    restart_planner()
    cycle.run_cycle()
    floor_shadow._remembered = mine

    assert shadow().clock == FloorShadow.objects.get().clock > mine.shadow.clock


def test_without_a_queue_that_asks_for_it_no_row_is_left_and_the_next_floor_begins_anew(settings):
    first, wide, early, _ = narrow_gap()
    settings.SCHEDULING_POLICY = "responsive"
    cycle.run_cycle()
    assert not FloorShadow.objects.exists()
    assert not FloorShadowJob.objects.exists()

    Queue.objects.filter(name="batch").update(policy="floor")
    cycle.run_cycle()

    rows = dict(FloorShadowJob.objects.values_list("pk", "started_at"))
    assert rows.keys() == {first.pk, early.pk}
    assert None not in rows.values()  # whoever runs by now has the place that it holds
    assert wide.pk not in rows


def test_nobody_is_stopped_for_a_due_job_that_was_cancelled():
    first, wide, early, _ = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    actions.cancel(job_id=wide.pk, actor="ann")

    cycle.run_cycle()

    assert fresh(early).desired == ""
    assert not FloorShadowJob.objects.filter(pk=wide.pk).exists()


def test_a_due_job_that_is_cancelled_while_others_stop_for_it_leaves_the_shadow_and_the_next_has_its_turn():
    first, wide, _, plain = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    actions.cancel(job_id=wide.pk, actor="ann")

    cycle.run_cycle()

    assert not FloorShadowJob.objects.filter(pk=wide.pk).exists()
    assert states(plain) == ["queued"]
    assert broken() == {}


def test_a_job_whose_node_is_lost_before_its_turn_came_true_is_told_that_it_starts_later():
    first, wide, *_ = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    known = shadow().jobs[wide.pk]
    promised = datetime.fromtimestamp(known.started_at - known.late_seconds, UTC)
    Node.objects.update(state="down")

    cycle.run_cycle()

    assert broken()["node"] == 1
    event = JobEvent.objects.get(job=wide, kind="promise_broken")
    assert event.data == {"reason": "node", "promised_start": promised.isoformat()}
    assert event.message == "Its start is later than promised: n1, where it had its turn, takes no jobs now."
    assert event.message in [told.sentence for told in history_of(fresh(wide))]


def test_a_job_that_is_held_when_its_turn_has_come_is_told_so_once():
    first, wide, *_ = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    actions.hold(job_id=wide.pk, actor="ann")

    cycle.run_cycle()
    cycle.run_cycle()

    assert broken()["held"] == 1
    assert JobEvent.objects.get(job=wide, kind="promise_broken").data["reason"] == "held"


def lower_quota(job):
    Quota.objects.create(project=job.project, cpus=2)


def pause_queue(job):
    Queue.objects.filter(pk=job.queue_id).update(state="paused")


def reserve_nodes(job):
    now = database_now()
    keep(Reservation.objects.create(name="repair", start=now, end=now + timedelta(days=7)), "n1")


@pytest.mark.parametrize(
    ("change", "why", "words"),
    [
        (lower_quota, "quota", "the quota of project {project} would be exceeded now."),
        (pause_queue, "queue", "queue {queue} is paused, or runs fewer jobs at once now."),
        (reserve_nodes, "reserved", "its place is kept for others (repair)."),
    ],
)
def test_a_due_job_that_may_not_start_any_more_is_told_why_and_counted(settings, change, why, words):
    settings.FLOOR_TOLERANCE_SECONDS = 60
    first, wide, *_ = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    change(wide)
    pass_time(61)

    cycle.run_cycle()
    cycle.run_cycle()

    assert broken() == {why: 1}
    [event] = JobEvent.objects.filter(job=wide, kind="promise_broken")
    told = words.format(project=wide.project.slug, queue=wide.queue.name)
    assert event.message == f"Its start is later than promised: {told}"
    assert not FloorShadowJob.objects.filter(pk=wide.pk).exists()


def test_a_job_that_waits_longer_for_others_to_stop_than_is_tolerated_is_told_so_once(settings):
    settings.FLOOR_TOLERANCE_SECONDS = 60
    first, wide, *_ = narrow_gap()
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    pass_time(61)

    cycle.run_cycle()
    cycle.run_cycle()

    assert broken()["late"] == 1
    [event] = JobEvent.objects.filter(job=wide, kind="promise_broken")
    assert event.message.startswith("Its start is later than promised: it is 1m")


def test_whose_command_has_not_begun_is_told_as_soon_as_it_has():
    first, wide, early, _ = narrow_gap()
    Job.objects.filter(pk=early.pk).update(state="queued")
    Attempt.objects.filter(job=early).update(started_at=None)
    ended(first, EndReason.COMPLETED, exit_code=0)
    picture = snapshot.take_snapshot()
    assert make_plan(picture, picture.taken_at).preemptions == ()

    begin(early)
    cycle.run_cycle()

    assert (fresh(early).desired, fresh(wide).promised) == ("preempt", True)


def test_nobody_is_moved_beside_what_the_floor_does(settings, monkeypatch):
    monkeypatch.setattr(rebalancing, "pace", rebalancing.RebalanceInterval())
    settings.REBALANCING = "on"
    kept = [
        builders.running_job(
            node=builders.node(name=name, cpus=4), cpus=2, checkpointable=True, max_runtime_seconds=90_000,
            started_at=timezone.now() - timedelta(hours=2), checkpoint_at=timezone.now(),
        )
        for name in ("n1", "n2")
    ]  # fmt: skip
    builders.job(cpus=4, max_runtime_seconds=HOUR)

    cycle.run_cycle()

    assert [fresh(job).desired for job in kept] == ["", ""]


def test_a_job_that_is_stopped_for_itself_moves():
    _, _, early, _ = narrow_gap()

    assert preemption.request([PlannedPreemption(early.pk, early.pk, "floor", 75.0)]) == 1

    assert (fresh(early).state, fresh(early).desired, fresh(early).promised) == ("running", "preempt", False)
    assert Preemption.objects.get().for_job_id is None
    [event] = JobEvent.objects.filter(job=early, kind__in=["preempt_requested", "room_promised"])
    assert event.message == "Moves to where room is kept for it (floor); about 75 s of work are done again."
    ended(early, EndReason.PREEMPTED, exit_code=143)
    assert fresh(early).attempts.get().message == event.message
    assert preemption.counts() == {early.pk: 1}


def test_a_placement_that_came_to_nothing_is_forgotten_with_the_next_plan(monkeypatch):
    builders.node(name="n1", cpus=1)
    gone = builders.job(cpus=1, checkpointable=True)
    commit = cycle._commit_placements

    def too_late(*planned):
        Job.objects.filter(pk=gone.pk).update(state="cancelled", finished_at=timezone.now())
        return commit(*planned)

    monkeypatch.setattr(cycle, "_commit_placements", too_late)

    cycle.run_cycle()
    cycle.run_cycle()

    assert not FloorShadowJob.objects.exists()


def test_a_job_that_is_requeued_after_its_end_stands_in_line_as_if_it_was_new():
    _, _, early, _ = narrow_gap()
    ended(early, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    assert FloorShadowJob.objects.get(pk=early.pk).work_seconds is not None
    actions.requeue(job_id=early.pk, actor="ann")

    cycle.run_cycle()

    row = FloorShadowJob.objects.get(pk=early.pk)
    assert (row.work_seconds, row.started_at) == (None, None)
    assert states(early) == ["queued"]


def test_a_job_that_was_deleted_stops_no_cycle():
    first, wide, early, _ = narrow_gap()
    begin(early, ago=600)
    ended(early, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    Job.objects.get(pk=early.pk).delete()
    assert not FloorShadowJob.objects.filter(pk=early.pk).exists()
    ended(first, EndReason.COMPLETED, exit_code=0)
    actions.cancel(job_id=wide.pk, actor="ann")  # so that it is the turn of the one that is not there any more

    cycle.run_cycle()
    assert floor_shadow._remembered.shadow.jobs[early.pk].started_at is not None
    connection.check_constraints()
    restart_planner()
    cycle.run_cycle()

    assert early.pk not in shadow().jobs


@pytest.mark.parametrize("hours", [-24, 24])
def test_a_clock_that_leaps_and_comes_back_leaves_a_floor_that_goes_on(monkeypatch, hours):
    first, wide, early, _ = narrow_gap()
    leap = timedelta(hours=hours)
    monkeypatch.setattr(snapshot, "database_now", lambda: database_now() + leap)
    cycle.run_cycle()
    monkeypatch.setattr(snapshot, "database_now", database_now)
    cycle.run_cycle()

    assert abs(FloorShadow.objects.get().clock - database_now().timestamp()) < HOUR / 60
    ended(first, EndReason.COMPLETED, exit_code=0)
    cycle.run_cycle()
    ended(early, EndReason.PREEMPTED, exit_code=143) if fresh(early).desired else None
    cycle.run_cycle()
    assert FloorShadowJob.objects.filter(pk__in=[wide.pk, early.pk], started_at__isnull=False).exists()


def test_an_explanation_a_forecast_and_a_quote_see_the_shadow_too():
    _, wide, *_ = narrow_gap()
    staff = client_of(builders.user(staff=True))

    told = staff.get(f"{V1}/jobs/{wide.pk}/explain").json()

    assert told["predicted_start"] is not None, told
    assert shadow() is not None
