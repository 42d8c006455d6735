"""The figures, worked out by hand."""

from dataclasses import replace

import pytest

from simulator.cluster import nodes_of
from simulator.metrics import mean_over, measure, percentile
from simulator.outcome import JobOutcome, Outcome, Run
from simulator.replay import Replay
from simulator.settings import Settings
from tests.simulator.builders import job, jobs


def outcome(*rows):
    """From (submit, start, run, width, user) rows."""
    done = [
        JobOutcome(job(number, submit, run, width, user=user), width, start, start + run)
        for number, (submit, start, run, width, user) in enumerate(rows)
    ]
    runs = [Run(one.job.number, one.start, one.end, one.width, ("pool",)) for one in done]
    return Outcome(done, runs, plans=7)


# Waits 0, 20 and 60; slowdowns 1, (20 + 40) / 40 = 1.5 and (60 + 5) / 10 = 6.5.
THREE = outcome((0, 0, 100, 2, "ann"), (80, 100, 40, 4, "ann"), (100, 160, 5, 1, "bob"))


def test_waits_and_slowdowns():
    figures = measure(THREE, 4)

    assert (figures.jobs, figures.plans) == (3, 7)
    assert figures.mean_wait_s == pytest.approx(80 / 3)
    assert (figures.median_wait_s, figures.max_wait_s) == (20, 60)
    assert figures.p95_wait_s == pytest.approx(20 + 40 * 0.9)
    assert figures.mean_bounded_slowdown == pytest.approx(3)
    assert figures.median_bounded_slowdown == 1.5


def test_utilisation_counts_between_the_first_and_the_last_submission():
    assert measure(THREE, 4).utilisation == 100 * 2 / (100 * 4)


def test_the_makespan_is_held_against_what_nobody_could_beat():
    """The last job comes at 100 and runs for 5; from 80 on there is work for (4 x 40 + 5) / 4 = 41.25 seconds."""
    figures = measure(THREE, 4)

    assert figures.makespan_s == 165
    assert figures.makespan_over_bound == pytest.approx(165 / 121.25)


def test_fairness_is_jains_index_over_users():
    """Ann's mean slowdown is 1.25, Bob's 6.5."""
    assert measure(THREE, 4).fairness == pytest.approx((1.25 + 6.5) ** 2 / (2 * (1.25**2 + 6.5**2)))


def test_there_is_no_fairness_among_users_whom_nobody_knows():
    assert measure(outcome((0, 0, 100, 2, ""), (80, 100, 40, 4, "")), 4).fairness is None


def test_fairness_is_among_those_users_that_are_known():
    assert measure(outcome((0, 0, 100, 2, "ann"), (0, 900, 10, 4, ""), (0, 0, 9, 1, "bob")), 4).fairness == 1


def test_a_single_job_has_figures_too():
    figures = measure(outcome((5, 5, 10, 2, "ann")), 4)

    assert (figures.utilisation, figures.fairness, figures.makespan_over_bound) == (0.5, 1, 1)


def test_late_is_who_ends_after_the_deadline_among_those_that_have_one():
    due = [
        replace(one.job.trace, deadline_s=deadline) for one, deadline in zip(THREE.jobs, (100, 139, None), strict=True)
    ]
    jobs = [replace(one, job=replace(one.job, trace=trace)) for one, trace in zip(THREE.jobs, due, strict=True)]

    assert measure(Outcome(jobs, THREE.runs), 4).late == 0.5
    assert measure(THREE, 4).late is None


def test_lost_work_is_counted_in_hours_of_a_processor():
    one = replace(THREE.jobs[1], preemptions=2, lost_s=1800)
    figures = measure(Outcome([one], THREE.runs), 4)

    assert (figures.preemptions, figures.lost_hours) == (2, 2)


def test_predictions_are_judged_where_there_are_any():
    known = replace(THREE.jobs[1], predicted_s=50.0)
    figures = measure(Outcome([known, THREE.jobs[2]], THREE.runs), 4)

    assert (figures.prediction_error_s, figures.prediction_accuracy) == (10, 0.8)
    assert measure(THREE, 4).prediction_error_s is None


@pytest.mark.parametrize(("percent", "value"), [(0, 1), (50, 2.5), (100, 4), (95, 3.85)])
def test_a_percentile_lies_on_the_line_between_its_neighbours(percent, value):
    assert percentile([1, 2, 3, 4], percent) == pytest.approx(value)


def test_windows_are_averaged_and_counts_added():
    both = mean_over([measure(THREE, 4), measure(outcome((0, 10, 10, 1, "")), 4)])

    assert (both.jobs, both.plans, both.max_wait_s) == (4, 14, 60)
    assert both.mean_bounded_slowdown == pytest.approx((3 + 2) / 2)
    assert both.prediction_error_s is None


def test_of_no_work_nothing_is_lost():
    """A job without a GPU on nodes with GPUs, which alone are counted."""
    replayed = Replay(jobs((0, 10, 1)), nodes_of("1x4x2"), Settings()).run()

    assert measure(replayed, 2).lost_part == 0.0
