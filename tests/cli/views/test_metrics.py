import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli.views.curves import BLOCKS, GAP, plot, spark


def series(*values, name="loss", steps=None, axis="step"):
    """One metric as the server answers it: None is NaN."""
    numbers = [value for value in values if value is not None]
    return {
        "name": name, "axis": axis, "count": len(values), "minimum": min(numbers, default=None),
        "maximum": max(numbers, default=None), "last": values[-1], "steps": steps or list(range(len(values))),
        "times": [1e9 + place for place in range(len(values))], "values": list(values), "attempts": [1] * len(values),
        "gaps": [{"index": place, "value": "NaN"} for place, value in enumerate(values) if value is None],
    }  # fmt: skip


def answer(*found, refused=0, names=None):
    return {"job": 17, "names": names or [one["name"] for one in found], "refused": refused, "series": list(found)}


@pytest.fixture
def metrics(trainyard, connected):
    def metrics(content, *words):
        connected.answers("GET", "jobs/17/metrics", content)
        return trainyard("metrics", 17, *words)

    return metrics


def test_each_metric_has_a_line_with_its_last_value_and_its_course(metrics):
    outcome = metrics(answer(series(0.5, 0.75, 1.0, name="accuracy"), series(3.0, 2.0, 1.0)))
    titles, *lines = [line.split() for line in outcome.out.splitlines()]
    assert titles == ["METRIC", "LAST", "LEAST", "GREATEST", "VALUES", "COURSE"]
    assert lines == [["accuracy", "1", "0.5", "1", "3", "▁▅█"], ["loss", "1", "1", "3", "3", "█▅▁"]]
    assert outcome.err == ""


def test_one_metric_is_drawn_large_with_its_ends_and_its_gaps(metrics, connected):
    out = metrics(answer(series(3.0, None, 1.0, steps=[100, 200, 1500])), "--name", "loss").out
    assert out.startswith("loss: 1, between 1 and 3\n")
    assert "\u2800" < max(out) <= "\u28ff"
    assert "step 100" in out
    assert "step 1,500" in out
    assert out.endswith("no numbers: NaN at step 200\n")
    assert connected.asked[-1].query == {"name": ["loss"]}


def test_what_is_asked_for_is_passed_on_and_json_is_the_servers_answer(metrics, connected):
    content = answer(series(1.0), refused=2)
    out = metrics(content, "-n", "loss", "-n", "val/loss", "--attempt", 2, "--points", 50, "--json").out
    assert json.loads(out) == content
    assert connected.asked[-1].query == {"name": ["loss", "val/loss"], "attempt": ["2"], "points": ["50"]}


def test_a_job_that_reported_nothing_says_so(metrics):
    outcome = metrics(answer())
    assert (outcome.code, outcome.out, outcome.err) == (0, "", "job 17 has reported no metrics yet\n")


def test_a_metric_that_is_not_there_is_named_with_those_that_are(metrics):
    outcome = metrics(answer(names=["accuracy", "loss"]), "--name", "los")
    assert outcome.err == "job 17 has reported no metric 'los'; there are: accuracy, loss\n"
    assert outcome.code == 1


def test_what_could_not_be_used_is_told(metrics):
    assert metrics(answer(series(1.0), refused=3)).err == "3 lines or values of its reports could not be used\n"


def test_where_every_value_is_none_nothing_is_drawn(metrics):
    out = metrics(answer(series(None, None)), "--name", "loss").out
    assert out.splitlines() == ["loss: NaN", "no value is a number"]


def test_a_number_of_points_that_cannot_be_is_a_usage_error(trainyard, connected):
    assert trainyard("metrics", 17, "--points", 5).code == 2


anything = st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60)


@given(anything, st.sampled_from(["step", "time"]))
def test_whatever_was_reported_can_be_drawn(values, axis):
    one = series(*values, axis=axis)
    course = spark(one, 40).plain
    assert 1 <= len(course) <= 40
    assert set(course) <= {*BLOCKS, GAP}
    assert plot(Console(width=60), one)


def test_where_there_is_only_ascii_it_is_drawn_all_the_same():
    assert spark(series(1.0, 2.0, None), 40, fine=False).plain == "_@x"
