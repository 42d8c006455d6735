"""What is foretold under a floor: the shadow is played on from plan to plan, as it is in earnest."""

from dataclasses import replace

import pytest

from scheduling.forecast.forecast import forecast
from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import expected
from scheduling.plan_result import PlannedPreemption
from scheduling.planning import plan as planning
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.run_times import SOON
from tests.scheduling.builders import cpu_node, running, share, snapshot, waiting

HOUR = 3_600.0


def narrow_gap():
    """Two of four cores are held for an hour, the second in line wants all four: two stand idle under plain backfilling."""
    first = replace(running(900, share("n1", cpus=2)), started_at=0.0, expected_end=HOUR)
    wide = waiting(1, request=Request(cpus=4), max_runtime_seconds=600)
    early = waiting(2, request=Request(cpus=2), max_runtime_seconds=7_200, checkpointable=True)
    plain = waiting(3, request=Request(cpus=2), max_runtime_seconds=7_200)
    world = snapshot(wide, early, plain, nodes=(cpu_node("n1", cpus=4),), running=(first,))
    return replace(world, rules=Rules(policy="floor"))


def test_who_is_due_is_foretold_to_start_when_others_have_given_way():
    told = forecast(narrow_gap(), 0.0)

    assert told[2].expected == 0.0
    assert told[1].expected == pytest.approx(HOUR, abs=2 * SOON)
    assert told[3].expected == pytest.approx(HOUR + 600, abs=3 * SOON)


def test_what_ends_before_its_turn_keeps_its_place_in_the_shadow():
    """`early` ends long before its turn: until that would be over, whoever stands behind it has none."""
    world = narrow_gap()
    wide, early, plain = world.waiting
    early, last = replace(early, predicted_seconds=60.0), replace(plain, request=wide.request)
    world = replace(world, waiting=(wide, early, last))

    course = Rollout(world, 0.0, expected()).run({1, 2, 3}, 20, 1e6)

    assert course.starts[1] == pytest.approx(HOUR, abs=SOON)
    assert course.starts[3] == pytest.approx(HOUR + 600 + 60, abs=3 * SOON)


def test_a_job_that_is_stopped_for_itself_moves_in_a_course_too(monkeypatch):
    world = replace(narrow_gap(), waiting=())
    plan = planning.make_plan(world, 0.0)
    moving = replace(plan, preemptions=(PlannedPreemption(900, 900, "floor", 60.0),))
    course = Rollout(world, 0.0, expected())

    course._carry_out(moving)

    assert [job.leaving for job in course._running.values()] == [True]
