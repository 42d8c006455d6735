"""What a floor cannot keep: it is told of whom and why, and the job stands in the shadow's line again."""

from dataclasses import replace

import pytest

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import EndedJob, Limits, ProjectView, QueueView, Reservation, Shadow, ShadowJob
from scheduling.stages import in_line
from tests.scheduling.builders import cpu_node, running, share, snapshot, waiting

NOW, LONG = 10_000.0, 1_000.0
BATCH, LIVE = QueueView("default", 0, policy="floor"), QueueView("live", 20)
RULES = Rules(preemption=Preemption(("priority",), restart_cost_seconds=0.0, min_runtime_seconds=0))


def job(number, cpus, **more):
    more = {"submitted_at": NOW - 100 + number, "max_runtime_seconds": 3_600} | more
    return waiting(number, request=Request(cpus=cpus), **more)


def runs(number, cpus, *, node="cpu-1", since=NOW, **more):
    return replace(running(number, share(node, cpus=cpus)), started_at=since, request=Request(cpus=cpus), **more)


def world(*jobs, held=(), ended=(), shadow=None, nodes=None, **more):
    made = snapshot(*jobs, running=tuple(held), nodes=nodes or (cpu_node(),), queues=(BATCH, LIVE))
    return replace(made, rules=RULES, shadow=shadow, ended=tuple(ended), **more)


def due_behind():
    """Job 2 has had its turn at NOW, and waits until job 1 has gone, which takes long."""
    in_the_way = runs(1, 4, since=NOW - 600, leaving=True)
    return world(job(2, 16), held=[in_the_way], shadow=make_plan(world(job(2, 16)), NOW).shadow)


def then(seen, after=LONG, **changed):
    return make_plan(replace(seen, **changed), NOW + after)


QUOTA = (ProjectView("vision", None, Limits(cpus=8)),)
MAINTENANCE = (Reservation("repair", ("cpu-1",), NOW + 100, NOW + 9_000),)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({}, (2, "late", ())),
        ({"queues": (replace(BATCH, state="paused"), LIVE)}, (2, "queue", ("default",))),
        ({"queues": (replace(BATCH, max_running=0), LIVE)}, (2, "queue", ("default",))),
        ({"projects": QUOTA}, (2, "quota", ("vision",))),
        ({"reservations": MAINTENANCE}, (2, "reserved", ("repair",))),
    ],
)
def test_who_is_late_is_told_what_keeps_it(changed, told):
    plan = then(due_behind(), **changed)

    assert plan.broken == (told,)
    assert plan.shadow.broken == {told[1]: 1}
    assert (2 in plan.shadow.jobs) is (told[1] == "late")


@pytest.mark.parametrize("changed", [{"queues": (replace(BATCH, state="paused"), LIVE)}, {"projects": QUOTA}])
def test_a_change_that_passes_within_what_is_tolerated_breaks_nothing(changed):
    seen = due_behind()
    plan = then(seen, after=60.0, **changed)
    after = then(seen, after=90.0, shadow=plan.shadow, running=())

    assert plan.broken == after.broken == ()
    assert [one.job_id for one in after.placements] == [2]


def test_a_queue_that_was_paused_for_a_week_holds_no_room_in_the_shadow_and_its_job_has_its_turn_again():
    week, paused = 7 * 86_400.0, (replace(BATCH, state="paused"), LIVE)
    seen = due_behind()
    first = then(seen, queues=paused)
    other = job(3, 16, queue="live", submitted_at=NOW + LONG)
    meanwhile = make_plan(world(job(2, 16), other, shadow=first.shadow, queues=paused), NOW + LONG + 5)
    still = world(job(2, 16), shadow=meanwhile.shadow, ended=[EndedJob(other, 600.0)], queues=paused)
    last = make_plan(still, NOW + week - 5)
    again = make_plan(world(job(2, 16), shadow=last.shadow), NOW + week)

    assert [one.job_id for one in meanwhile.placements] == [3]
    assert [one.job_id for one in again.placements] == [2]
    assert meanwhile.broken == last.broken == again.broken == ()


def test_a_reservation_that_is_cancelled_lets_jobs_have_their_turn_at_once():
    kept = world(job(2, 16), reservations=(Reservation("repair", ("cpu-1",), NOW + 60, NOW + 9_000),))
    before = make_plan(kept, NOW)

    after = make_plan(replace(kept, reservations=(), shadow=before.shadow), NOW + 5)

    assert before.placements == ()
    assert [one.job_id for one in after.placements] == [2]
    assert after.shadow.jobs[2].started_at == NOW + 5
    assert after.broken == ()


def test_a_machine_that_is_reserved_is_reserved_in_the_shadow_under_the_name_that_it_has_there():
    """The shadow's cpu-1 is the machine cpu-2: to keep cpu-1 for others keeps its cpu-2."""
    nodes = (cpu_node("cpu-1"), cpu_node("cpu-2"))
    shadow = Shadow(NOW, nodes={"cpu-1": "cpu-2", "cpu-2": "cpu-1"})
    kept = (Reservation("repair", ("cpu-1",), NOW, NOW + 9_000),)

    plan = make_plan(world(job(2, 16), nodes=nodes, shadow=shadow, reservations=kept), NOW)

    assert [share.node for share in plan.shadow.jobs[2].shares] == ["cpu-1"]
    assert [[share.node for share in one.shares] for one in plan.placements] == [["cpu-2"]]


def urgent(number=9, cpus=16, **more):
    return job(number, cpus, queue="live", priority=90, submitted_at=NOW + 10, **more)


def an_urgent_job_comes():
    """Job 2 waits for its turn with what it has saved, job 3 runs before its own, and then job 9 is submitted."""
    early = runs(3, 16, since=NOW - 100, checkpoint_at=NOW, checkpointable=True)
    first = make_plan(world(job(2, 16, checkpointable=True)), NOW)
    stopped = job(2, 16, checkpointable=True, saved_seconds=500.0)
    return world(stopped, urgent(), held=[early], shadow=first.shadow)


def test_an_urgent_job_of_a_queue_without_a_floor_stops_who_runs_before_its_turn():
    plan = make_plan(an_urgent_job_comes(), NOW + 10)

    assert [(one.job_id, one.for_job, one.strategy) for one in plan.preemptions] == [(3, 9, "priority")]
    assert plan.broken == ()


@pytest.mark.parametrize("saves", [False, True])
def test_once_it_runs_it_has_its_turn_and_whose_room_that_was_in_the_shadow_is_told(saves):
    seen = an_urgent_job_comes()
    runs_now = runs(9, 16, since=NOW + 20, queue="live", priority=90, checkpointable=saves)

    plan = make_plan(replace(seen, waiting=seen.waiting[:1], running=(runs_now,)), NOW + 600)

    assert plan.broken == ((2, "preempted", ("9",)),)
    assert plan.preemptions == ()
    assert plan.shadow.jobs[9].started_at == NOW + 20
    assert 2 not in plan.shadow.jobs


def test_what_has_ended_here_makes_room_for_it_in_the_shadow_and_no_promise_is_broken_by_that():
    first = make_plan(world(job(2, 16)), NOW)
    runs_now = runs(9, 16, since=NOW + 20, queue="live", priority=90)

    plan = make_plan(world(held=[runs_now], shadow=first.shadow, ended=[EndedJob(job(2, 16), 9_000.0)]), NOW + 30)

    assert plan.broken == ()
    assert plan.shadow.jobs.keys() == {9}


def early_in_the_shadow(early):
    """A shadow in which a job waits that runs here: another has all the room there, which has ended here."""
    gone = job(1, 16)
    there = ShadowJob(gone, NOW, (share("cpu-1", cpus=16),), work_seconds=9_000.0)
    return Shadow(NOW, {1: there, early.id: ShadowJob(in_line(early, NOW - 100))})


def test_nobody_is_stopped_by_another_right_for_a_job_of_a_queue_that_keeps_a_floor():
    early = runs(3, 16, since=NOW - 100, checkpointable=True, priority=10)
    ahead = early_in_the_shadow(early)

    plan = make_plan(world(job(2, 16, priority=100), held=[early], shadow=ahead), NOW)

    assert plan.preemptions == ()
