"""What can be said about one waiting job, all together."""

from dataclasses import replace

from hypothesis import given, settings

from scheduling.forecast.effort import Effort
from scheduling.forecast.forecast import Forecast
from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from tests.scheduling.builders import gpu_node, running, share, snapshot, waiting
from tests.scheduling.full_worlds import knotted_world
from tests.scheduling.worlds import NOW, seeds, worlds

LITTLE = Effort(20, 4)
BUSY = replace(running(9, share(gpu_indices=(0, 1))), started_at=0.0, expected_end=100.0)


def one_node(*jobs, busy=(BUSY,)):
    return snapshot(*jobs, nodes=(gpu_node(),), running=busy)


def test_a_job_that_waits_gets_all_of_it():
    world = one_node(waiting(1, request=Request(gpus=8)), waiting(2, request=Request(gpus=8)))

    answer = outlook(world, 50.0, 2)

    assert (answer.position, answer.line_length, answer.placement, answer.reservation) == (2, 2, None, None)
    assert answer.start.latest == 100 + 86_400
    assert [reason.code for reason in answer.reasons] == ["resources"]
    assert answer.reasons[0].expected_clear == answer.start.expected
    assert answer.ends == {9: 100}


def test_the_first_in_line_has_its_reservation_and_an_offer():
    answer = outlook(one_node(waiting(1, request=Request(gpus=8))), 50.0, 1)

    assert (answer.reservation.start, answer.start.expected) == (100, 100)
    assert [(one.field, one.after) for one in answer.changes] == [("resources.gpus", 6)]


def test_a_job_with_room_starts_now_and_needs_nothing():
    answer = outlook(one_node(waiting(1)), 50.0, 1, effort=Effort(worst_lag=5))

    assert [one.node for one in answer.placement.shares] == ["gpu-1"]
    assert (answer.start, answer.reasons, answer.changes) == (Forecast(50, 50, 55), (), ())


def test_a_forecast_that_is_known_is_not_made_again():
    known = {1: Forecast(70, 60, 80)}

    answer = outlook(one_node(waiting(1, request=Request(gpus=8))), 50.0, 1, known)

    assert answer.start == known[1]
    assert answer.reasons[0].expected_clear == 70


def test_nothing_is_said_of_a_job_that_does_not_wait():
    assert outlook(one_node(), 50.0, 9) is None


@settings(max_examples=15)
@given(worlds)
def test_the_reasons_are_those_of_the_whole_plan(world):
    plan = make_plan(world, NOW)
    for wait in plan.waits[:4]:
        told = [(one.code, one.sentence) for one in outlook(world, NOW, wait.job_id).reasons]
        assert told == [(one.code, one.sentence) for one in wait.reasons]


def told_of(world, job_id):
    """All that is said of a job, but for its id."""
    answer = outlook(world, NOW, job_id, effort=LITTLE)
    shares = [kept and kept.shares for kept in (answer.placement, answer.reservation)]
    stopped = [one.job_id for one in answer.preemptions]
    return answer.position, answer.line_length, answer.start, answer.reasons, answer.changes, shares, stopped


@settings(max_examples=15)
@given(seeds)
def test_a_quote_is_what_the_submission_gets(seed):
    """A quote's job has an id behind all others; the submitted one has the next."""
    world = knotted_world(seed)
    next_id = 1 + max([0, *(one.id for one in world.waiting), *(one.id for one in world.running)])
    for job in world.waiting[:3]:
        new = replace(job, id=next_id, submitted_at=NOW, promised=False, near=(), avoid=(), preemptions=0, held="")
        quoted = replace(world, waiting=(*world.waiting, replace(new, id=2**62)))
        assert told_of(quoted, 2**62) == told_of(replace(world, waiting=(*world.waiting, new)), next_id)


@settings(max_examples=25)
@given(seeds)
def test_any_job_of_any_world_gets_the_reasons_of_the_whole_plan_and_nobody_who_is_ahead_goes_unnamed(seed):
    world = knotted_world(seed)
    for wait in make_plan(world, NOW).waits:
        answer = outlook(world, NOW, wait.job_id, effort=LITTLE)
        assert [(one.code, one.sentence) for one in answer.reasons] == [
            (one.code, one.sentence) for one in wait.reasons
        ]
        for reason in answer.reasons:
            assert reason.code != "ahead" or (reason.held_by and "job" in reason.sentence)


def test_a_quote_that_stops_others_says_whom():
    rules = Rules(preemption=Preemption(("priority",), min_runtime_seconds=0, only_checkpointable=False))
    low = [replace(running(job_id, share(gpu_indices=gpus), priority=10), started_at=0.0, request=Request(gpus=4))
           for job_id, gpus in ((8, (0, 1, 2, 3)), (9, (4, 5, 6, 7)))]  # fmt: skip
    world = replace(one_node(waiting(1, request=Request(gpus=8), priority=90), busy=tuple(low)), rules=rules)

    answer = outlook(world, 50.0, 1)

    assert [(one.job_id, one.strategy) for one in answer.preemptions] == [(8, "priority"), (9, "priority")]
    assert answer.ends.keys() >= {8, 9}


def test_what_is_said_of_a_job_does_not_change_because_the_unimportant_ones_are_left_out():
    """Eight that are overdue take all places of those that go first; the ninth has none."""
    now = 1_000_000.0
    pairs = Request(cpus=8, gpus=8, nodes=2)
    first = [waiting(number, submitted_at=now - 200_000 + number, request=pairs) for number in range(1, 9)]
    ninth = waiting(50, submitted_at=now - 190_000, priority=10, request=Request(cpus=8, gpus=8))
    wide = waiting(60, submitted_at=now - 60, queue="live", request=Request(cpus=8, gpus=8, nodes=2))
    busy = replace(running(900, share(cpus=8, gpu_indices=tuple(range(8)))), started_at=now, expected_end=now + 600)
    nodes = (gpu_node("gpu-1"), gpu_node("gpu-2"))
    world = snapshot(*first, ninth, wide, nodes=nodes, running=(busy,))
    world = replace(world, rules=Rules(bounded_wait_seconds=144_000.0))

    plan = make_plan(world, now)

    told = [one.sentence for one in outlook(world, now, 50).reasons]
    assert told == next([one.sentence for one in wait.reasons] for wait in plan.waits if wait.job_id == 50)
