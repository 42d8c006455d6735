"""When jobs will start, worked out by hand."""

from dataclasses import replace

import pytest
from hypothesis import given, settings

from scheduling.forecast.effort import THOROUGH, Effort
from scheduling.forecast.forecast import Forecast, forecast
from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import expected
from scheduling.lifecycle import JobState
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import QueueView, Reservation, UsageView
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting
from tests.scheduling.worlds import NOW, worlds

EIGHT = Request(gpus=8)
ALL = tuple(range(8))


def runs(job_id=900, *, since=0.0, limit=None, predicted=None, gpus=ALL, **more):
    """A job on all GPUs of the node that started at `since`."""
    job = running(job_id, share(gpu_indices=gpus), **more)
    until = None if limit is None else since + limit
    return replace(job, started_at=since, expected_end=until, predicted_end=predicted)


def one_node(*jobs, **more):
    return snapshot(*jobs, nodes=(gpu_node(),), **more)


def test_a_job_starts_when_the_one_before_it_ends():
    world = one_node(waiting(1, request=EIGHT), running=(runs(limit=1000, predicted=600),))

    told = forecast(world, 100.0)[1]

    assert told == Forecast(expected=600, soonest=225, latest=1000)


def test_of_a_job_that_only_has_a_limit_little_is_known():
    world = one_node(waiting(1, request=EIGHT), running=(runs(limit=1000),))

    assert forecast(world, 0.0)[1] == Forecast(expected=1000, soonest=50, latest=1000)


def test_a_job_that_is_late_stays_as_late_again_but_never_beyond_its_limit():
    world = one_node(waiting(1, request=EIGHT), running=(runs(limit=1000, predicted=600),))

    assert forecast(world, 700.0)[1].expected == 800
    assert forecast(world, 900.0)[1].expected == 1000


def leaves(to):
    """An urgent job with a long limit that was told to stop."""
    return replace(runs(limit=90_000, priority=90), leaving=True, leaves_to=to, request=EIGHT)


@pytest.mark.parametrize("to", [JobState.CANCELLED, JobState.PAUSED])
def test_nobody_waits_behind_who_does_not_come_back(to):
    world = one_node(waiting(1, request=EIGHT), running=(leaves(to),))

    assert forecast(world, 100.0)[1].latest < 200


def test_who_gave_way_stands_in_line_again():
    world = one_node(waiting(1, request=EIGHT), running=(leaves(JobState.PENDING),))

    assert forecast(world, 100.0)[1].expected > 10_000


@pytest.mark.parametrize(
    ("to", "terms", "starts"),
    [
        (JobState.CANCELLED, {}, False), (JobState.CANCELLED, {"needs_end": (900,)}, True),
        (JobState.CANCELLED, {"needs_failure": (900,)}, False), (JobState.PAUSED, {}, False),
        (JobState.PAUSED, {"needs_end": (900,)}, False),
    ],
)  # fmt: skip
def test_who_waits_for_one_that_is_being_stopped_starts_if_that_is_the_end_it_needs(to, terms, starts):
    world = one_node(waiting(1, unmet=(900,), **terms), running=(leaves(to),))

    told = forecast(world, 100.0).get(1)
    assert (told is not None and told.expected is not None) is starts


@pytest.mark.parametrize("now", [600.0, 600.02, 700.0])
def test_who_waits_for_a_job_that_is_late_may_start_at_any_moment(now):
    world = one_node(waiting(1, request=EIGHT), running=(runs(limit=1000, predicted=600),))

    assert forecast(world, now)[1].soonest == now


def test_a_job_for_which_there_is_room_starts_now():
    assert forecast(one_node(waiting(1)), 100.0)[1] == Forecast(100, 100, 100)


def test_each_in_line_waits_for_those_before_it():
    line = [waiting(job_id, request=EIGHT, max_runtime_seconds=100, predicted_seconds=60) for job_id in (1, 2, 3)]

    told = forecast(one_node(*line), 0.0)

    assert [(told[one].soonest, told[one].expected, told[one].latest) for one in (1, 2, 3)] == [
        (0, 0, 0), (15, 60, 100), (30, 120, 200),
    ]  # fmt: skip


def test_lags_between_two_jobs_add_up():
    line = [waiting(job_id, request=EIGHT, max_runtime_seconds=100, predicted_seconds=60) for job_id in (1, 2, 3)]

    told = forecast(one_node(*line), 0.0, effort=Effort(usual_lag=1, worst_lag=10))[3]

    assert told == Forecast(expected=122, soonest=30, latest=230)


def test_a_short_job_goes_before_the_reservation_in_the_forecast_too():
    large = waiting(1, request=EIGHT, max_runtime_seconds=100)
    short = waiting(2, request=Request(gpus=1), max_runtime_seconds=50)
    long = waiting(3, request=Request(gpus=1), max_runtime_seconds=200)
    world = one_node(large, short, long, running=(runs(limit=60, gpus=tuple(range(7))),))

    told = forecast(world, 0.0)

    assert [told[one].latest for one in (1, 2, 3)] == [60, 0, 160]


def test_a_dependency_s_end_frees_its_dependents():
    first = waiting(1, max_runtime_seconds=100)
    second = waiting(2, unmet=(1,), max_runtime_seconds=50)
    third = waiting(3, unmet=(1, 2))

    told = forecast(one_node(first, second, third), 10.0)

    assert [told[one].latest for one in (1, 2, 3)] == [10, 110, 160]


def test_a_job_starts_at_its_not_before_although_nothing_ends_then():
    assert forecast(one_node(waiting(1, not_before=500.0)), 100.0)[1] == Forecast(500, 500, 500)


def test_a_job_starts_when_the_maintenance_is_over():
    world = one_node(waiting(1, max_runtime_seconds=1000))
    world = replace(world, reservations=(Reservation("upgrade", ("gpu-1",), 200, 500),))

    assert forecast(world, 0.0)[1].expected == 500


def test_a_quota_is_free_again_when_a_job_of_the_project_ends():
    world = snapshot(
        waiting(1, request=EIGHT),
        nodes=(gpu_node("gpu-1"), gpu_node("gpu-2")),
        projects=(limited(gpus=8),),
        running=(runs(limit=300),),
    )

    assert forecast(world, 0.0)[1].expected == 300


@pytest.mark.parametrize(
    "world",
    [
        one_node(waiting(1, broken=(7,))),
        one_node(waiting(1, request=Request(gpus=9))),
        one_node(waiting(1, queue="shut"), queues=(QueueView("shut", state="paused"),)),
        one_node(waiting(1), projects=(limited(cpus=0),)),
        snapshot(waiting(1), nodes=()),
    ],
    ids=["broken dependency", "no such hardware", "paused queue", "no quota", "no node"],
)
def test_a_job_that_cannot_start_as_things_are_has_no_start(world):
    assert forecast(world, 0.0).get(1, Forecast()) == Forecast()
    assert forecast(world, 0.0, [1]) == {1: Forecast()}


def test_what_was_not_reached_is_later_than_that():
    line = [waiting(job_id, request=EIGHT, max_runtime_seconds=100) for job_id in (1, 2, 3)]

    told = forecast(one_node(*line), 0.0, effort=Effort(horizon_seconds=150))

    assert told[2].expected == 100
    assert (told[3].expected, told[3].later_than) == (None, 200)


def test_a_job_behind_the_head_of_the_line_is_later_than_now():
    line = [waiting(job_id, request=EIGHT, max_runtime_seconds=100) for job_id in (1, 2, 3)]

    told = forecast(one_node(*line), 5.0, effort=Effort(jobs=2))

    assert set(told) == {1, 2}
    assert forecast(one_node(*line), 5.0, [3], Effort(jobs=2)) == {3: Forecast(later_than=5.0)}


def test_few_plans_over_many_ends_are_coarse_but_reach_the_end():
    """11 ends in 6 plans: after 1, 2, 3, 5 and 8 of them."""
    line = [waiting(job_id, request=EIGHT, max_runtime_seconds=100) for job_id in range(1, 4)]
    ends = tuple(runs(900 + one, limit=10 * (one + 1), gpus=(one % 8,)) for one in range(8))

    told = forecast(one_node(*line, running=ends), 0.0, [1], Effort(plans=6))

    assert told[1].latest == 80


def test_a_job_for_which_another_is_stopped_starts_in_its_place():
    rules = Rules(preemption=Preemption(strategies=("priority",), min_runtime_seconds=0, only_checkpointable=False))
    urgent = waiting(1, request=EIGHT, priority=90, max_runtime_seconds=100)
    low = replace(runs(limit=10_000, priority=10), request=EIGHT)
    world = replace(one_node(urgent, running=(low,)), rules=rules)

    told = forecast(world, 1000.0)

    assert told == {1: Forecast(1001, 1001, 1001)}


def test_shorter_runs_that_make_a_job_start_later_leave_its_times_in_order():
    """Two anomalies of scheduling.

    The last job starts at 18 as expected, though with the limits it would at 10. The fourth starts at 8 as expected, and
    with optimism at 9.5, because another is let in first.
    """
    sizes = [(4, 40, 4), (3, 10, 10), (8, 20, 8), (3, 40, 40), (2, 10, 8)]
    later = [(6, 20, 8), (1, 20, None), (8, 30, 30), (5, 10, None), (5, 20, 8)]

    def line(jobs):
        return [
            waiting(number, request=Request(gpus=gpus), max_runtime_seconds=limit, predicted_seconds=predicted)
            for number, (gpus, limit, predicted) in enumerate(jobs, 1)
        ]

    assert forecast(one_node(*line(sizes)), 0.0)[5] == Forecast(expected=18, soonest=4.5, latest=18)
    assert forecast(one_node(*line(later)), 0.0)[4] == Forecast(expected=8, soonest=8, latest=50)


few = settings(max_examples=20)


@few
@given(worlds)
def test_the_three_times_are_in_order_and_not_in_the_past(world):
    for told in forecast(world, NOW).values():
        times = [FAR if time is None else time for time in (told.soonest, told.expected, told.latest)]
        assert times == sorted(times)
        assert times[0] >= NOW
        assert told.later_than is None or told.expected is None


@few
@given(worlds)
def test_who_starts_now_in_the_plan_starts_now_in_the_forecast(world):
    placed = {one.job_id for one in make_plan(world, NOW).placements}

    now = {job_id for job_id, told in forecast(world, NOW).items() if told.latest == NOW}

    assert now >= placed


@few
@given(worlds)
def test_a_forecast_is_the_course_of_the_whole_line(world):
    """Whatever is left out of it to save work makes no difference."""
    world = replace(world, rules=Rules(placement="fgd"))
    whole = Rollout(world, NOW, expected()).run({job.id for job in world.waiting}, 200, THOROUGH.horizon_seconds)

    told = forecast(world, NOW)

    assert {job_id: one.expected for job_id, one in told.items() if one.expected is not None} == whole.starts


FAR = float("inf")


def test_who_waits_for_a_failure_urges_in_forecasts_too():
    first, urged = waiting(1, request=EIGHT, priority=30), waiting(2, request=EIGHT, priority=10)
    asks = waiting(3, request=EIGHT, priority=90, unmet=(2,), needs_failure=(2,))

    told = forecast(one_node(first, urged, asks), 100.0, [1, 2, 3])

    assert [one.job_id for one in make_plan(one_node(first, urged, asks), 100.0).placements] == [2]
    assert told[2].expected == 100.0
    assert told[1].expected > 100.0
    assert told[3] == Forecast()


def test_whoever_needs_a_failure_does_not_start_in_a_course_in_which_all_complete():
    asks = waiting(2, request=EIGHT, unmet=(900,), needs_failure=(900,))
    after = waiting(3, request=EIGHT, unmet=(900,))
    world = one_node(asks, after, running=(runs(limit=1000),))

    assert Rollout(world, 0.0, expected()).run({2, 3}, 10, 1e6).starts == {3: 1000.0}


def test_who_cannot_start_counts_among_the_usual_in_forecasts_too():
    """The held jobs want all four GPUs of the small node, so the first goes to the large one: there the second waits."""
    first = waiting(1, request=Request(gpus=2), max_runtime_seconds=600)
    second = waiting(2, request=Request(gpus=6), max_runtime_seconds=600)
    held = [waiting(job_id, request=Request(gpus=4), held="ann") for job_id in range(3, 13)]
    nodes = (gpu_node("gpu-1"), gpu_node("gpu-2", 4))
    world = snapshot(first, second, *held, nodes=nodes, running=(runs(limit=9000, gpus=(0, 1)),))
    world = replace(world, rules=Rules(placement="fgd"))

    assert [(one.job_id, one.shares[0].node) for one in make_plan(world, 0.0).placements] == [(1, "gpu-1")]
    assert [forecast(world, 0.0)[job_id].expected for job_id in (1, 2)] == [0.0, 600.0]


def test_whoever_cannot_start_has_a_share_in_forecasts_too():
    """Beside one more user who has had nothing, the one who has had much falls behind by more than the priority gains."""
    much = waiting(1, request=EIGHT, owner="ann", priority=95, max_runtime_seconds=600)
    nothing = waiting(2, request=EIGHT, owner="bob", priority=35, max_runtime_seconds=600)
    held = waiting(3, owner="cat", held="dan")
    world = replace(one_node(much, nothing, held), rules=Rules(policy="multifactor"))
    world = replace(world, usage=(UsageView("vision", "ann", 100.0),))

    assert [one.job_id for one in make_plan(world, 100.0).placements] == [2]
    assert [forecast(world, 100.0)[job_id].expected for job_id in (2, 1)] == [100.0, 700.0]


def test_the_times_of_those_who_cannot_start_are_not_waited_for():
    held = [waiting(job_id, held="ann", not_before=10.0 * job_id) for job_id in range(2, 8)]
    world = one_node(waiting(1, request=EIGHT), *held, running=(runs(limit=1000),))

    assert forecast(world, 0.0, effort=Effort(plans=2))[1].expected == 1000
