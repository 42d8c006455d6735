"""Urgent jobs, for which others may be stopped, above a queue that keeps a floor: neither takes what was freed for the other."""

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.plan_result import WhyBroken
from scheduling.planning.floor.turns import STRATEGY
from tests.scheduling.planning.floor.mixed_worlds import TOLERATED, Mixed, mixed

seeds = st.integers(0, 2**32)
some = settings(max_examples=40)
EXACT = 1e-6


@some
@given(seeds, st.sampled_from([1, 3, 10**6]))
def test_nobody_is_stopped_in_vain_and_what_was_freed_goes_to_whom_it_was_freed_for(seed, most):
    played = Mixed(mixed(seed, most=most)).play()

    for stop in played.stops:
        together = [one.gone for one in played.stops if one.for_job == stop.for_job and one.told == stop.told]
        in_time = [start for start in played.starts[stop.for_job] if stop.told <= start <= max(together) + EXACT]
        assert in_time or stop.for_job == stop.job_id, (stop, played.starts[stop.for_job])


@some
@given(seeds)
def test_a_promise_is_kept_or_an_urgent_job_has_the_place_and_that_is_said(seed):
    played = Mixed(mixed(seed)).play()

    late = {job_id: end for job_id, end in played.promised.items() if played.ends[job_id] > end + TOLERATED + EXACT}
    assert late == {}
    assert {one.why for _, one in played.broken} <= {WhyBroken.PREEMPTED}
    urgent = {str(job.id) for job in played.trace.jobs if job.queue == "live"}
    assert {name for _, one in played.broken for name in one.subjects} <= urgent


@some
@given(seeds)
def test_without_urgent_jobs_every_promise_is_kept_and_nobody_is_stopped_by_another_right(seed):
    played = Mixed(mixed(seed, urgent=False)).play()

    assert played.broken == []
    assert {stop.strategy for stop in played.stops} <= {STRATEGY}
    assert all(played.ends[job_id] <= end + TOLERATED + EXACT for job_id, end in played.promised.items())


@some
@given(seeds)
def test_all_end_though_nothing_limits_the_stops_and_nobody_is_stopped_again_for_one_that_kept_its_place(seed):
    """Only for one that had to give way itself in between, to whom it was whose turn had come."""
    played = Mixed(mixed(seed, most=10**6)).play()

    assert played.ends.keys() == {job.id for job in played.trace.jobs}
    for number, stop in enumerate(played.stops):
        told = [one.told for one in played.stops[:number] if (one.job_id, one.for_job) == (stop.job_id, stop.for_job)]
        gave_way = [one for one in played.stops if one.job_id == stop.for_job and one.strategy == STRATEGY]
        assert not told or any(told[-1] <= one.told <= stop.told for one in gave_way), stop


def test_the_worlds_show_what_they_are_for():
    """Stops by both rights, and promises that are broken for an urgent job: or the properties would hold of nothing."""
    all_ = [Mixed(mixed(seed)).play() for seed in range(40)]

    assert {stop.strategy for played in all_ for stop in played.stops} == {STRATEGY, "priority"}
    assert any(played.broken for played in all_)
