"""Run times learned from jobs that have ended."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scheduling.errors import InvalidError
from scheduling.forecast.runtime_prediction import (
    REMEMBERED,
    ErrorTally,
    History,
    Prediction,
    Traits,
    corrected,
    scopes_of,
)

MINE = Traits("vision", "ada", "train.py", "4 GPUs", "h100", limit_seconds=10_000)

texts = st.sampled_from(["", "a", "b"])
limits = st.none() | st.floats(1, 1e6)
traits = st.builds(Traits, st.sampled_from(["vision", "speech"]), texts, texts, texts, texts, limits)
runs = st.floats(0, 1e6)
ended = st.lists(st.tuples(traits, runs), max_size=25)


def learned(jobs):
    history = History()
    for one, run in jobs:
        history.observe(one, run)
    return history


def test_nothing_is_known_before_the_first_job_ends():
    assert History().predict(MINE) is None


def test_the_mean_of_the_last_two_jobs_of_the_same_kind_is_expected():
    history = learned([(MINE, 9_000), (MINE, 100), (MINE, 300)])
    assert (history.predict(MINE).expected, history.predict(MINE).source) == (200, "template")


def test_one_job_of_a_kind_is_too_few_so_all_of_the_owners_are_asked():
    other = Traits("vision", "ada", "eval.py", limit_seconds=10_000)
    history = learned([(MINE, 400), (other, 200)])
    assert (history.predict(MINE).expected, history.predict(MINE).source) == (300, "owner")


def test_a_newcomer_uses_the_part_of_the_limit_that_the_project_uses():
    history = learned([(Traits("vision", "bob", limit_seconds=100), 50)] * 2)
    assert history.predict(MINE).expected == 5_000
    assert history.predict(MINE).source == "project"


def test_a_newcomer_without_a_limit_is_expected_to_run_as_long_as_the_others():
    history = learned([(Traits("vision", "bob", limit_seconds=100), 50)])
    assert history.predict(Traits("vision", "ada")).expected == 50


def test_other_projects_teach_nothing():
    assert learned([(MINE, 10)] * 3).predict(Traits("speech", "ada", "train.py", "4 GPUs", "h100")) is None


@pytest.mark.parametrize("between", [",", "/", "|", '", "'])
def test_texts_that_run_together_alike_are_different_keys(between):
    assert scopes_of(Traits("a", f"b{between}c"))[0].key != scopes_of(Traits(f"a{between}b", "c"))[0].key


def test_a_shorter_limit_than_ever_before_caps_what_was_learned():
    history = learned([(MINE, 9_000)] * 10)
    assert history.predict(replace(MINE, limit_seconds=60)) == Prediction(60, 60, 60, "template")


def test_with_few_jobs_the_interval_reaches_from_nought_to_the_limit():
    prediction = learned([(MINE, 100)] * 8).predict(MINE)
    assert (prediction.low, prediction.high) == (0, 10_000)


def test_with_many_jobs_the_interval_leaves_out_a_tenth_at_either_end():
    prediction = learned([(MINE, run) for run in range(100, 2_000, 100)]).predict(MINE)
    assert (prediction.low, prediction.high) == (200, 1_850)  # the last two, expected, lie above the ninth tenth


def test_a_key_remembers_only_so_many_jobs():
    data = learned([(MINE, run) for run in range(100)]).as_data()
    assert {len(rows) for rows in data.values()} == {REMEMBERED}


@pytest.mark.parametrize("run", [-1, float("nan"), float("inf")])
def test_an_impossible_run_time_is_refused_by_name(run):
    with pytest.raises(InvalidError, match="run_seconds"):
        History().observe(MINE, run)


@pytest.mark.parametrize("limit", [0, -5, float("nan")])
def test_an_impossible_limit_is_refused_by_name(limit):
    with pytest.raises(InvalidError, match="limit_seconds"):
        History().predict(Traits("vision", limit_seconds=limit))


def test_damaged_data_are_refused_with_their_key():
    with pytest.raises(InvalidError, match="broken"):
        History.from_data({"broken": [[None, 0.5]]})


@given(ended, traits)
@settings(max_examples=30)
def test_a_prediction_lies_in_its_interval_and_under_the_limit(jobs, asked):
    prediction = learned(jobs).predict(asked)
    if prediction is not None:
        assert 0 <= prediction.low <= prediction.expected <= prediction.high
        assert asked.limit_seconds is None or prediction.high <= asked.limit_seconds


@given(ended, traits)
@settings(max_examples=20)
def test_jobs_that_share_no_key_may_come_in_any_order(jobs, asked):
    by_project = sorted(jobs, key=lambda job: job[0].project)
    assert learned(jobs).predict(asked) == learned(by_project).predict(asked)


@given(ended, traits, runs)
@settings(max_examples=20)
def test_a_history_survives_being_written_down_and_the_keys_of_a_job_are_enough(jobs, asked, run):
    history = learned(jobs)
    data = json.loads(json.dumps(history.as_data()))
    keys = {scope.key for scope in scopes_of(asked)}
    part = History.from_data({key: rows for key, rows in data.items() if key in keys})
    assert History.from_data(data).as_data() == history.as_data()
    for one in (part, history):
        one.observe(asked, run)
    assert part.predict(asked) == history.predict(asked)


def test_a_job_that_keeps_its_time_keeps_its_prediction():
    prediction = Prediction(100, 10, 200, "owner")
    assert corrected(prediction, 5, 1_000) == prediction


@pytest.mark.parametrize(("ran", "expected"), [(99, 100), (100, 160), (160, 460), (1_000, 1_000)])
def test_a_late_job_gets_a_minute_then_five_and_at_last_its_limit(ran, expected):
    assert corrected(Prediction(100, 10, 200, "owner"), ran, 1_000).expected == expected


@given(runs, runs, runs, limits)
@settings(max_examples=30)
def test_a_correction_grows_with_the_time_that_the_job_ran(expected, ran, more, limit):
    first = Prediction(expected, expected / 2, expected * 2, "owner")
    sooner, later = corrected(first, ran, limit), corrected(first, ran + more, limit)
    assert sooner.low <= sooner.expected <= sooner.high
    assert sooner.expected <= later.expected
    assert limit is None or later.high <= limit
    assert sooner.expected > ran or sooner.expected == limit


def test_errors_are_counted():
    tally = ErrorTally()
    tally.add(Prediction(100, 50, 200, "owner"), 200)
    tally.add(Prediction(100, 80, 150, "owner"), 50)
    assert (tally.count, tally.absolute_seconds, tally.under, tally.inside) == (2, 150, 1, 1)
    assert tally.accuracy == 0.5


def test_there_are_no_figures_before_the_first_error():
    assert ErrorTally().accuracy is None


def test_a_job_that_ran_no_time_as_predicted_is_a_perfect_prediction():
    tally = ErrorTally()
    tally.add(Prediction(0, 0, 0, "owner"), 0)
    assert tally.accuracy == 1
