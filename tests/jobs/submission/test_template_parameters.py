"""What is filled into a template: numbers stay numbers, strange braces stay as they are, nothing else changes."""

import hypothesis.strategies as st
import pytest
from hypothesis import given

from jobs.submission.template_parameters import RunTime, filled, read_parameters, values_of
from scheduling.errors import InvalidError

BODIES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(BODIES)
def test_without_parameters_nothing_changes(body):
    assert filled(body, {}) == body


@given(st.integers() | st.text(max_size=10) | st.booleans() | st.floats(allow_nan=False, allow_infinity=False))
def test_alone_a_value_stays_itself_and_is_text_within_words(value):
    made = filled({"a": "{x}", "b": ["--x={x}", "{y}", "{{x}}"]}, {"x": value})
    text = str(value).lower() if isinstance(value, bool) else str(value)
    assert made == {"a": value, "b": [f"--x={text}", "{y}", f"{{{text}}}"]}


def test_where_a_job_takes_text_alone_a_number_is_its_text():
    assert filled({"command": ["{n}"], "env": {"N": "{n}"}, "max_retries": "{n}"}, {"n": 3}) == {
        "command": ["3"], "env": {"N": "3"}, "max_retries": 3,
    }  # fmt: skip


def test_what_is_said_is_not_filled_in_once_more():
    """A value that looks like a parameter is a value."""
    assert filled(["{x} {y}"], {"x": "{y}", "y": "z"}) == ["{y} z"]


def test_every_fault_is_told_at_once():
    known = read_parameters({"a": {"type": "integer"}, "b": {"type": "number", "most": 1}})
    with pytest.raises(InvalidError) as refused:
        values_of(known, {"b": 2, "c": 3})
    assert [one.field for one in refused.value.errors] == ["parameters.c", "parameters.a", "parameters.b"]


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(0, 1000))
def test_a_run_time_grows_by_so_much_with_each_unit_and_is_never_nothing(base, each, number):
    made = RunTime(base, {"n": each}).of({"n": number})
    assert made == max(1, round(base + each * number))
