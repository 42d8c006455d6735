"""The bound that `responsive` learns: from the waits so far and the work in line, for its own line alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import settings as how
from hypothesis import strategies as st

from scheduling.forecast.rollout import Rollout
from scheduling.forecast.runtime_assumptions import limits
from scheduling.longest_wait import LongestWait
from scheduling.nodes.cluster_size import PlatformSize
from scheduling.planning.ordering import order_pending
from scheduling.planning.plan import make_plan
from scheduling.policies.responsive import Responsive, earlier_if_wide, learned_bound
from scheduling.resources import Request
from scheduling.rules import DAY, HOUR, Rules
from scheduling.snapshot import QueueView
from tests.scheduling.builders import cpu_node, running, share, snapshot, waiting

NOW = 100 * HOUR
SECONDS = st.floats(0, 1e9)
RESPONSIVE = (QueueView("live", 20, policy="fifo"), QueueView("default", 10, policy="responsive"))
FULL = running(900, share("cpu-1", cpus=16))


def world(*jobs, longest=0.0, at=NOW, rules=None, queues=RESPONSIVE, **more):
    """A full machine of 16 CPUs, and who waits for it."""
    found = snapshot(*jobs, nodes=(cpu_node(),), queues=queues, **({"running": (FULL,)} | more))
    return replace(found, rules=rules or Rules(), longest_wait=LongestWait(longest, at))


def line(seen, now=NOW):
    return [job.id for job in order_pending(seen, now).jobs]


def old(job_id, hours, **more):
    return waiting(job_id, submitted_at=NOW - hours * HOUR, **({"max_runtime_seconds": 10 * 3600} | more))


def short(job_id, **more):
    return old(job_id, 0, **({"max_runtime_seconds": 60} | more))


@given(SECONDS, SECONDS, SECONDS, SECONDS)
def test_the_bound_is_never_earlier_for_longer_waits_or_more_work(longest, more, work, more_work):
    assert learned_bound(longest + more, work + more_work) >= learned_bound(longest, work)


@given(SECONDS, st.floats(0, 1), st.floats(0, 1))
def test_a_wider_job_is_overdue_no_later_and_after_some_of_the_bound_at_the_earliest(bound, part, more):
    wide = max(part, more)
    assert 0 <= earlier_if_wide(bound, 1.0) <= earlier_if_wide(bound, wide) <= earlier_if_wide(bound, min(part, more))


@given(st.lists(st.tuples(st.floats(0, 1e7), st.floats(0, 1e7)), max_size=20))
def test_the_longest_wait_is_no_shorter_for_a_start_and_no_longer_for_time_that_goes_by(starts):
    kept, now = LongestWait(), 0.0
    for gap, waited in starts:
        assert kept.seconds_at(now + gap) <= kept.seconds_at(now)
        now += gap
        before, kept = kept.seconds_at(now), kept.with_start(waited, now)
        assert kept.seconds_at(now) == max(before, waited)


def test_after_a_year_the_longest_wait_counts_half():
    assert LongestWait(8 * HOUR, NOW).seconds_at(NOW + 365 * DAY) == 4 * HOUR


@given(st.permutations(range(6)))
def test_the_work_in_line_is_the_same_in_any_order(places):
    jobs = [waiting(place, request=Request(cpus=place + 1), max_runtime_seconds=77 * place + 1) for place in range(6)]
    bounds = {
        Responsive().prepare(world(*order), NOW).learned_bound_seconds(jobs[0])
        for order in (jobs, [jobs[at] for at in places])
    }
    assert len(bounds) == 1


def test_work_is_what_the_whole_platform_would_take_for_it():
    size = PlatformSize(gpus=4, cpus=16)

    assert size.seconds_for([size.work(Request(cpus=8), 100.0), size.work(Request(cpus=1, gpus=1), 100.0)]) == 75.0


def test_who_has_waited_for_most_of_the_longest_wait_goes_before_shorter_jobs_of_its_line():
    assert line(world(old(1, 5), short(2), longest=10 * HOUR)) == [2, 1]
    assert line(world(old(1, 7), short(2), longest=10 * HOUR)) == [1, 2]


def test_a_wide_job_goes_ahead_earlier():
    assert line(world(old(1, 5, request=Request(cpus=16)), short(2), longest=10 * HOUR)) == [1, 2]


def test_without_any_history_much_work_in_line_is_the_bound():
    """It is nobody's turn for having come first where all of them will wait for days."""
    crowd = [old(number, 1, request=Request(cpus=16)) for number in range(10, 20)]

    assert line(world(*crowd, old(1, 2), short(2)))[0] == 2
    assert line(world(old(1, 2), short(2)))[0] == 1


@pytest.mark.parametrize("kept_back", [{"held": "ann"}, {"unmet": (7,)}, {"broken": (7,)}])
def test_jobs_that_could_not_start_are_no_work_in_line(kept_back):
    crowd = [old(number, 1, request=Request(cpus=16), **kept_back) for number in range(10, 20)]

    assert line(world(*crowd, old(1, 2), short(2)))[0] == 1


def test_they_go_before_no_higher_queue():
    assert line(world(old(1, 9), short(2, queue="live"), short(3), longest=10 * HOUR)) == [2, 1, 3]


def test_the_usual_bound_goes_before_higher_queues_but_not_before_what_is_learned():
    usual = Rules(usual_bounded_wait_seconds=40 * HOUR)

    assert line(world(old(1, 41), short(2, queue="live"), longest=20 * HOUR, rules=usual)) == [1, 2]
    assert line(world(old(1, 41), short(2, queue="live"), longest=80 * HOUR, rules=usual)) == [2, 1]


def test_a_bound_that_is_stated_holds_instead():
    stated = Rules(bounded_wait_seconds=40 * HOUR)

    assert line(world(old(1, 38), short(2), longest=10 * HOUR, rules=stated)) == [2, 1]
    assert line(world(old(1, 41), short(2), longest=80 * HOUR, rules=stated)) == [1, 2]


@pytest.mark.parametrize("policy", ["floor", "sjf", "fifo"])
def test_other_policies_learn_no_bound(policy):
    queues = (QueueView("default", 10, policy=policy),)
    plan = make_plan(world(old(1, 9), longest=HOUR, queues=queues, running=()), NOW)

    assert plan.placements
    assert plan.longest_wait == LongestWait(HOUR, NOW)


def test_a_plan_hands_on_the_longest_wait_of_those_that_start():
    plan = make_plan(world(old(1, 3), old(2, 9), longest=5 * HOUR, running=()), NOW)

    assert plan.longest_wait == LongestWait(9 * HOUR, NOW)


@pytest.mark.parametrize(
    "other",
    [
        {"attempts": 1},
        {"preemptions": 1},
        {"eligible_at": NOW - HOUR},
        {"not_before": NOW - HOUR},
        {"queue": "live"},
    ],
)
def test_what_is_no_wait_in_this_line_is_not_learned(other):
    plan = make_plan(world(old(1, 9, **other), longest=5 * HOUR, running=()), NOW)

    assert plan.placements
    assert plan.longest_wait == LongestWait(5 * HOUR, NOW)


def test_who_still_waits_is_told_why_the_other_goes_first():
    wide, long = old(1, 9, request=Request(cpus=16), max_runtime_seconds=60), short(2, max_runtime_seconds=99_999)
    half = running(900, share("cpu-1", cpus=8))
    plan = make_plan(world(wide, long, longest=10 * HOUR, running=(half,)), NOW)
    said = {wait.job_id: " ".join(str(reason) for reason in wait.reasons) for wait in plan.waits}

    assert "it has waited longer than the bound that policy responsive has learned" in said[2]


def test_a_future_learns_as_it_is_played():
    seen = world(old(1, 9, request=Request(cpus=16)), running=())
    future = Rollout(seen, NOW, limits())
    future.run({1}, 3, DAY)

    assert future._snapshot().longest_wait == LongestWait(9 * HOUR, NOW)


JOBS = st.lists(
    st.tuples(st.integers(0, 90), st.sampled_from([1, 4, 16]), st.sampled_from([60, 3_600, 90_000])),
    min_size=1,
    max_size=20,
)


@how(max_examples=50)
@given(JOBS, st.floats(0, 90 * HOUR))
def test_the_same_snapshot_and_clock_give_the_same_plan(rows, longest):
    jobs = [
        old(number, hours, request=Request(cpus=cpus), max_runtime_seconds=limit)
        for number, (hours, cpus, limit) in enumerate(rows)
    ]
    seen = world(*jobs, longest=longest, running=())

    assert make_plan(seen, NOW) == make_plan(seen, NOW)
