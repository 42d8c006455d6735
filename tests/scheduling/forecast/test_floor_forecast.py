"""By when jobs start at the latest under a floor, worked out by hand, and played forward with everybody at the limit."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.forecast.effort import THOROUGH, Effort
from scheduling.forecast.floor_forecast import floor_starts
from scheduling.forecast.forecast import forecast
from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import expected
from scheduling.planning.floor.shadow import ShadowSchedule
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import Shadow
from tests.scheduling.floor_worlds import FLOOR, SAVES, carried_on, ended, half_taken, job, world


def test_each_starts_at_the_latest_when_those_before_it_are_at_their_limits():
    line = (job(1, 4, 100, predicted_seconds=10), job(2, 4, 50, predicted_seconds=10), job(3, 4, 50))

    told = forecast(world(*line), 0.0)

    assert {job_id: (one.expected, one.floor) for job_id, one in told.items()} == {
        1: (0, 0),
        2: (10, 100),
        3: (20, 150),
    }


def test_a_job_that_may_start_early_is_told_the_same_as_if_it_could_not():
    line = (job(1, 2, 100), job(2, 4, 50), job(3, 2, 500, **SAVES))

    told = forecast(world(*line), 0.0)

    assert (told[3].expected, told[3].floor) == (0, 150)


def test_who_started_before_its_turn_puts_nobody_off():
    seen = carried_on(half_taken(job(3, 2, 500, **SAVES)), 0.0)

    assert {one.id for one in seen.running} == {1, 3}
    assert floor_starts(seen, 10.0, THOROUGH) == {2: 100}


def test_of_a_job_that_has_ended_here_the_shadow_knows_how_long_it_runs():
    early = job(3, 2, 500, **SAVES)
    seen = ended(carried_on(half_taken(early, job(4, 4, 50)), 0.0), early, 20.0)

    assert floor_starts(seen, 20.0, THOROUGH) == {2: 100, 4: 170}


def test_saved_work_lets_a_job_start_so_much_later_and_the_restart_is_taken_off():
    rules = replace(FLOOR, preemption=Preemption(restart_cost_seconds=5.0))
    seen = carried_on(world(job(1, 4, 100), rules=rules), 0.0)
    stopped = replace(seen, waiting=(job(2, 4, 100, saved_seconds=30.0, preemptions=1),))

    assert floor_starts(stopped, 10.0, THOROUGH) == {2: 125}


def test_a_job_whose_turn_has_come_starts_as_soon_as_its_place_is_left():
    seen = ended(carried_on(half_taken(job(3, 2, 500, **SAVES)), 0.0), job(1, 2, 100), 60.0)

    told = forecast(seen, 60.0, effort=Effort(worst_lag=15.0))[2]

    assert (told.expected, told.floor) == (61, 75)


@pytest.mark.parametrize(("slack", "floor"), [(0.0, 150), (0.5, 150 + 50)])
def test_the_slack_is_that_part_of_the_longest_wait_so_far(slack, floor):
    line = (job(1, 4, 100), job(2, 4, 50), job(3, 4, 50))

    assert floor_starts(world(*line, rules=replace(FLOOR, floor_slack=slack)), 0.0, THOROUGH)[3] == floor


def test_who_cannot_start_as_things_are_is_told_no_moment():
    line = (job(1, 4, 100), job(2, 4, 50, held="ann"), job(3, 5, 50), job(4, 4, 50, unmet=(99,)))

    told = forecast(world(*line), 0.0, {1, 2, 3, 4})

    assert {job_id for job_id, one in told.items() if one.floor is not None} == {1}


def test_who_waits_for_another_job_starts_after_it():
    line = (job(1, 1, 100), job(2, 1, 50, unmet=(1,)))

    assert floor_starts(world(*line), 0.0, THOROUGH) == {1: 0, 2: 100}


def test_beyond_the_bound_nothing_is_told():
    line = [job(job_id, 4, 50) for job_id in range(1, 9)]

    assert floor_starts(world(*line), 0.0, Effort(jobs=3)).keys() == {1, 2, 3, 4}  # job 1 starts at once


def test_under_another_policy_there_is_no_floor():
    assert forecast(world(job(1, 4, 100), job(2, 4, 50), rules=Rules()), 0.0)[2].floor is None


def test_the_stops_of_a_floor_are_foretold():
    """Job 3 has room until job 1 ends, then job 2 has all for 50 s, then job 3 does again what it had done."""
    seen = carried_on(half_taken(job(3, 2, 500, **SAVES)), 0.0)

    course = Rollout(seen, 10.0, expected()).run({2}, 20, 1_000.0)

    assert course.starts == {2: 101.0}


def test_who_is_stopped_keeps_what_it_had_saved_and_its_place():
    seen = carried_on(half_taken(job(3, 2, 500, **SAVES)), 0.0, job(4, 4, 600, submitted_at=5.0, **SAVES))
    saved = tuple(replace(one, checkpoint_at=8.0) if one.id == 3 else one for one in seen.running)
    seen = replace(seen, running=saved)

    course = Rollout(seen, 10.0, expected()).run({2, 4}, 50, 10_000.0)

    assert course.starts == {2: 101.0, 3: 151.0, 4: 643.0}


@st.composite
def crowds(draw):
    """Jobs that come at once, under a floor."""
    slack = draw(st.sampled_from([0.0, 0.0, 0.3]))
    numbers = st.tuples(st.integers(1, 4), st.integers(1, 60), st.booleans())
    rows = draw(st.lists(numbers, min_size=1, max_size=8))
    jobs = [job(number, cpus, limit, checkpointable=saves) for number, (cpus, limit, saves) in enumerate(rows, 1)]
    return world(*jobs, rules=replace(FLOOR, floor_slack=slack))


def starts_in_the_shadow(seen):
    """What the clock shows as each starts in the shadow, if everybody runs to the limit there, and here as if by magic at once."""
    found: dict[int, float] = {}
    shadow, now = Shadow(0.0), 0.0
    while len(found) < len(seen.waiting):
        left = tuple(one for one in seen.waiting if one.id not in found)
        schedule = ShadowSchedule(replace(seen, waiting=left, shadow=shadow), now).play()
        started = {job_id: one for job_id, one in schedule.jobs.items() if one.started_at is not None}
        found |= dict.fromkeys(started.keys() - found.keys(), now)
        known = {
            job_id: replace(one, work_seconds=float(one.job.max_runtime_seconds or 0))
            for job_id, one in started.items()
        }
        shadow = replace(schedule.value(), jobs=known)
        now = min(one.started_at + one.work_seconds + schedule.lag for one in known.values())
    return found


@settings(max_examples=150)
@given(crowds())
def test_at_their_limits_nobody_starts_later_in_the_shadow_than_was_told_if_nobody_comes(seen):
    told = floor_starts(seen, 0.0, THOROUGH)

    came = starts_in_the_shadow(seen)

    assert came.keys() == told.keys()
    assert {job_id: at for job_id, at in came.items() if at > told[job_id] + 1e-6} == {}


@settings(max_examples=100)
@given(crowds(), st.integers(1, 6), st.integers(1, 30))
def test_no_start_is_foretold_later_than_the_floor_however_coarsely_one_looks(seen, jobs, plans):
    told = forecast(seen, 0.0, effort=Effort(jobs=jobs, plans=plans, usual_lag=1.0, worst_lag=15.0))

    known = [one for one in told.values() if one.expected is not None and one.floor is not None]
    times = [tuple(filter(None, (one.soonest, one.expected, one.latest, one.floor))) for one in known]
    assert [one for one in times if list(one) != sorted(one)] == []
