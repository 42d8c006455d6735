"""Moving a running job to another node: the room is kept for it, it goes on there, and whatever fails it is not stranded."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from jobs.attempts import claims
from jobs.attempts.completion import finish
from jobs.control import actions, draining, moves
from jobs.control.moves import MoveRequest
from jobs.models import Attempt, Job, JobMove, Placement
from jobs.planning import cycle
from jobs.planning.snapshot import take_snapshot
from jobs.state.outcome import PlacementOutcome, PlacementRef
from scheduling.errors import ConflictError, InvalidError
from scheduling.lifecycle import EndReason, PlacementState
from tests import builders
from tests.racing import race
from workers.models import Node

pytestmark = pytest.mark.django_db


@pytest.fixture
def mover():
    """A job that writes checkpoints, on n1; n2 has as much room."""
    builders.node(name="n2", cpus=4)
    return on(builders.node(name="n1", cpus=4))


def on(node, **more):
    known: dict[str, Any] = {
        "checkpointable": True,
        "checkpoint_at": timezone.now(),
        "max_runtime_seconds": 9_000,
    } | more
    return builders.running_job(node=node, cpus=2, **known)


def move(job, node="n2", **more):
    return moves.begin(job_id=job.pk, wanted=MoveRequest(node, **more), actor="ann")


def placement(job):
    return Placement.objects.select_related("attempt").get(attempt__job=job, closed_at=None)


def ends(job, reason=EndReason.PREEMPTED, **more):
    row = placement(job)
    return finish([PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), reason, **more)])


def starts(job):
    row = placement(job)
    ref = PlacementRef(row.pk, str(row.attempt.token))
    claims.claim([ref], node_id=row.node_id)
    claims.started({ref: timezone.now()}, node_id=row.node_id)


def fresh(row):
    return type(row).objects.get(pk=row.pk)


def gone(name):
    Node.objects.filter(name=name).update(last_heartbeat_at=timezone.now() - timedelta(hours=1))


def states():
    return list(JobMove.objects.order_by("pk").values_list("state", flat=True))


def test_it_stops_and_goes_on_where_it_was_to_go(mover):
    begun = move(mover, reason="n1 is noisy")
    assert (begun.state, begun.sources, begun.targets, fresh(mover).desired) == ("stopping", ["n1"], ["n2"], "preempt")
    ends(mover, exit_code=143)
    cycle.run_cycle()
    assert fresh(mover).node.name == "n2"
    starts(mover)
    cycle.run_cycle()

    done = fresh(begun)
    assert (done.state, done.nodes, done.asked_by, done.reason) == ("done", ["n2"], "ann", "n1 is noisy")
    assert done.created_at <= done.stopped_at <= done.placed_at <= done.closed_at
    assert fresh(mover).retries_used == 0
    assert [one.kind for one in mover.events.all() if one.kind.startswith("migrat")] == [
        "migration_requested",
        "migrated",
    ]


def test_nobody_gets_its_room_while_it_stops_nor_before_it_once_it_has(mover):
    move(mover)
    urgent = builders.job(cpus=4, priority=90, max_runtime_seconds=60)
    cycle.run_cycle()
    assert fresh(urgent).state == "pending"
    assert fresh(urgent).reasons[0]["held_by"] == [mover.pk]
    ends(mover)
    smaller = builders.job(cpus=3, priority=95, max_runtime_seconds=60)

    cycle.run_cycle()

    assert (fresh(mover).node.name, fresh(smaller).node.name, fresh(urgent).state) == ("n2", "n1", "pending")


def test_once_it_runs_there_nothing_is_kept_twice(mover):
    move(mover)
    ends(mover)
    cycle.run_cycle()
    beside = builders.job(cpus=2, max_runtime_seconds=60)
    builders.job(cpus=4, max_runtime_seconds=60, priority=90)  # takes n1
    cycle.run_cycle()

    assert take_snapshot().kept == ()
    assert fresh(beside).node.name == "n2"


def test_a_target_that_dies_while_it_stops_lets_the_job_go_on_where_it_is(mover):
    move(mover)
    gone("n2")
    cycle.run_cycle()

    failed = JobMove.objects.get()
    assert (failed.state, fresh(mover).desired, fresh(mover).state) == ("failed", "", "running")
    assert failed.message == "Node n2 takes no jobs any more: the job goes on elsewhere."


def test_a_target_that_dies_once_it_has_stopped_sends_it_back(mover):
    move(mover)
    ends(mover)
    gone("n2")
    cycle.run_cycle()

    assert (states(), fresh(mover).node.name) == (["failed"], "n1")


def test_a_target_that_dies_before_it_runs_there_sends_it_elsewhere(mover):
    move(mover)
    ends(mover)
    cycle.run_cycle()
    gone("n2")
    ends(mover, EndReason.NODE_LOST, charged=False)
    cycle.run_cycle()

    failed = JobMove.objects.get()
    assert (failed.state, failed.nodes, fresh(mover).node.name) == ("failed", ["n2"], "n1")
    assert "ended on n2 before it ran there (node_lost)" in failed.message


def test_it_waits_for_its_place_no_longer_than_it_may(mover, settings):
    move(mover)
    ends(mover)
    Job.objects.filter(pk=mover.pk).update(held_at=timezone.now(), held_by="ops")
    cycle.run_cycle()
    assert states() == ["stopped"]
    settings.MIGRATION_PLACE_SECONDS = 0
    Job.objects.filter(pk=mover.pk).update(held_at=None)
    cycle.run_cycle()

    assert (states(), fresh(mover).node.name) == (["failed"], "n1")


def test_a_job_that_completes_in_its_grace_is_completed_and_moved_nowhere(mover):
    move(mover)
    Job.objects.filter(pk=mover.pk).update(said_done=True)
    ends(mover, exit_code=0)
    cycle.run_cycle()

    assert (fresh(mover).state, states()) == ("completed", ["cancelled"])


def test_a_pause_overtakes_a_move(mover):
    move(mover)
    actions.pause(job_id=mover.pk, actor="ann")
    ends(mover, EndReason.PAUSED)
    cycle.run_cycle()

    assert (fresh(mover).state, states()) == ("paused", ["cancelled"])


def test_one_that_is_called_off_runs_on_if_its_node_had_not_begun(mover):
    begun = move(mover)
    off = moves.cancel(job_id=mover.pk, move_id=begun.pk, actor="bea", reason="not now")

    assert (off.state, off.message, fresh(mover).desired) == ("cancelled", "Called off by bea. not now", "")
    assert take_snapshot().kept == ()
    assert fresh(mover).events.get(kind="migration_cancelled").actor == "bea"


def test_one_that_has_stopped_goes_on_wherever_there_is_room_once_it_is_called_off(mover):
    begun = move(mover)
    ends(mover)
    moves.cancel(job_id=mover.pk, move_id=begun.pk, actor="bea")
    cycle.run_cycle()

    assert fresh(mover).node.name == "n1"


def test_one_that_has_its_place_is_not_called_off_but_moved_back(mover):
    begun = move(mover)
    ends(mover)
    cycle.run_cycle()
    with pytest.raises(ConflictError, match="has its place on n2 already"):
        moves.cancel(job_id=mover.pk, move_id=begun.pk, actor="bea")
    starts(mover)
    cycle.run_cycle()

    back = moves.roll_back(job_id=mover.pk, move_id=begun.pk, actor="bea")

    assert (back.targets, back.rolls_back_id, fresh(mover).desired) == (["n1"], begun.pk, "preempt")
    with pytest.raises(ConflictError, match="only one that is done"):
        moves.roll_back(job_id=mover.pk, move_id=back.pk, actor="bea")


def test_a_second_move_and_one_of_a_job_that_cannot_go_are_refused_in_words(mover):
    first = move(mover)
    with pytest.raises(ConflictError, match=f"Migration {first.pk} of job {mover.pk} is under way: it is stopping"):
        move(mover)
    with pytest.raises(ConflictError, match="is pending: only a job that holds a place"):
        move(builders.job())
    with pytest.raises(InvalidError, match=r"There is no node n9\. The nodes are: n1, n2"):
        move(mover, "n9")
    assert states() == ["stopping"]


def test_who_saves_nothing_moves_only_by_force(mover):
    Job.objects.filter(pk=mover.pk).update(checkpointable=False)
    with pytest.raises(ConflictError, match="not checkpointable"):
        move(mover)
    assert move(mover, force=True).force


def test_one_that_nobody_has_begun_is_on_its_way_at_once(mover):
    Placement.objects.update(state=PlacementState.PLACED)
    Job.objects.filter(pk=mover.pk).update(state="queued", started_at=None)
    move(mover)
    cycle.run_cycle()

    assert fresh(mover).node.name == "n2"


def test_a_gang_moves_whole(mover):
    gang = builders.gang(
        *(builders.node(name=name, cpus=4) for name in ("g1", "g2")), state="running", checkpointable=True
    )
    builders.node(name="g3", cpus=4)
    begun = moves.begin(job_id=gang[0].attempt.job_id, wanted=MoveRequest("g3"), actor="ann")

    assert (begun.sources, begun.targets[0], len(begun.targets)) == (["g1", "g2"], "g3", 2)


def test_a_drain_s_moves_are_in_the_history(mover):
    draining.drain(Node.objects.get(name="n1"), mode="checkpoint")
    row = JobMove.objects.get()
    assert (row.origin, row.sources, row.targets, row.reason) == ("drain", ["n1"], [], "Node n1 is drained.")
    ends(mover)
    cycle.run_cycle()
    starts(mover)
    cycle.run_cycle()

    assert (fresh(row).state, fresh(row).nodes) == ("done", ["n2"])


def test_what_a_drain_or_the_planner_wants_nobody_calls_off(mover):
    draining.drain(Node.objects.get(name="n1"), mode="checkpoint")
    with pytest.raises(ConflictError, match="comes from the drain of its node"):
        moves.cancel(job_id=mover.pk, move_id=JobMove.objects.get().pk, actor="ann")
    assert (states(), fresh(mover).desired) == (["stopping"], "preempt")


def test_a_move_of_the_planner_s_that_loses_its_target_stops_its_job_all_the_same(mover):
    begun = move(mover)
    JobMove.objects.update(origin="rebalancing")
    gone("n2")
    cycle.run_cycle()

    assert (fresh(begun).state, fresh(mover).desired) == ("failed", "preempt")


def test_a_gang_that_has_lost_a_member_to_the_move_goes_back_in_line_when_that_is_called_off():
    for name in ("n1", "n2", "n3", "n4"):
        builders.node(name=name, cpus=4)
    first, _ = builders.gang(*Node.objects.order_by("name")[:2], state="running", checkpointable=True)
    begun = move(first.attempt.job, "n3")
    Attempt.objects.update(end_reason="preempted")
    moves.cancel(job_id=begun.job_id, move_id=begun.pk, actor="bea")

    assert Job.objects.get().desired == "end"


def test_a_plan_writes_nothing(mover):
    found = moves.plan(job_id=mover.pk, wanted=MoveRequest())
    assert (found.targets, states(), fresh(mover).desired) == (("n2",), [], "")


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_the_second_is_refused():
    builders.node(name="n2", cpus=4)
    job = on(builders.node(name="n1", cpus=4))
    refusal = race(lambda: move(job), lambda: move(job))

    assert "is under way" in str(refusal)
    assert states() == ["stopping"]


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cancel_first", [True, False])
def test_a_cancellation_and_the_end_at_the_same_moment_leave_one_truth(cancel_first):
    builders.node(name="n2", cpus=4)
    job = on(builders.node(name="n1", cpus=4))
    begun = move(job)
    row = placement(job)
    ending = PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.PREEMPTED, exit_code=143)
    steps = [lambda: moves.cancel(job_id=job.pk, move_id=begun.pk, actor="bea"), lambda: finish([ending])]
    race(*(steps if cancel_first else reversed(steps)))
    cycle.run_cycle()

    assert states() == ["cancelled"]
    assert (fresh(job).state, fresh(job).node.name, fresh(job).desired) == ("queued", "n1", "")


@pytest.mark.django_db(transaction=True)
def test_a_move_and_the_end_of_its_job_at_the_same_moment():
    builders.node(name="n2", cpus=4)
    job = on(builders.node(name="n1", cpus=4))
    row = placement(job)
    ending = PlacementOutcome(PlacementRef(row.pk, str(row.attempt.token)), EndReason.COMPLETED, exit_code=0)
    refusal = race(lambda: finish([ending]), lambda: move(job))

    assert ("is completed" in str(refusal), states()) == (True, [])
