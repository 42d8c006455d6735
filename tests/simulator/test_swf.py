"""Logs of the Parallel Workloads Archive are read as they come."""

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator import swf
from simulator.trace import MachineSize

NOWHERE = Path("log.swf")


def line(number=1, *, submit=0, run=60, allocated=4, requested=8, status=1, more=""):
    return f"{number} {submit} 5 {run} {allocated} -1 -1 {requested} 120 -1 {status} 3 7 -1 1 -1 -1 -1{more}\n"


def read(*lines, **how):
    return swf.read(NOWHERE, lines, **how)


@pytest.mark.parametrize(
    ("width", "allocated", "requested", "taken"),
    [
        (swf.Width.REQUESTED, 4, 8, 8),
        (swf.Width.REQUESTED, 4, -1, 4),
        (swf.Width.REQUESTED, 4, 0, 4),
        (swf.Width.ALLOCATED, 4, 8, 4),
        (swf.Width.ALLOCATED, -1, 8, 8),
        (swf.Width.ALLOCATED, -1, -1, 0),
    ],
)
def test_a_job_takes_the_processors_that_one_asks_for_and_where_they_are_unknown_the_others(
    width, allocated, requested, taken
):
    [job] = read(line(allocated=allocated, requested=requested), width=width).jobs

    assert job.width == taken


def test_by_default_it_takes_those_that_were_requested():
    assert [job.width for job in read(line(allocated=4, requested=8)).jobs] == [8]


@pytest.mark.parametrize(
    ("fields", "never"),
    [
        ({"run": -1, "allocated": -1, "status": 5}, True),
        ({"run": -1, "allocated": 0, "status": 0}, True),
        ({"run": 0, "allocated": 0, "status": 5}, True),
        ({"run": 0, "allocated": 4, "status": 5}, False),
        ({"run": 0, "allocated": -1, "status": 1}, False),
        ({"run": -1, "allocated": 4, "status": 1}, False),
        ({"run": 1, "allocated": -1, "status": 5}, False),
    ],
)
def test_a_job_without_a_run_time_and_processors_never_started(fields, never):
    assert [job.never_started for job in read(line(**fields)).jobs] == [never]


@given(st.lists(st.text(st.characters(codec="latin-1", exclude_categories=["Z", "Cc"]), min_size=1), max_size=5))
def test_what_a_dialect_adds_behind_the_fields_changes_nothing(words):
    assert read(line(), line(2, more=" " + " ".join(words))) == read(line(), line(2))


@given(st.binary(max_size=30))
def test_a_comment_may_hold_any_bytes(content):
    comment = ";" + content.decode("utf-8", "surrogateescape")

    assert [replace(job, line=1) for job in read(comment, line()).jobs] == list(read(line()).jobs)


@pytest.mark.parametrize(
    ("header", "machine"),
    [
        (["; MaxProcs: 100\n"], MachineSize(100, "MaxProcs")),
        ([";MaxNodes: 430\n", ";MaxProcs: 860\n"], MachineSize(860, "MaxProcs")),
        (["; MaxNodes: 64 (of 8 processors)\n"], MachineSize(64, "MaxNodes")),
        (["; MaxNodes: 128\n", "; MaxProcs: -1\n"], MachineSize(128, "MaxNodes")),
        ([";  maxprocs : 93,312\n"], MachineSize(93_312, "MaxProcs")),
        (["; MaxProcs: 100\n", "; Note: MaxProcs: 5 later\n", "; MaxProcs: 7\n"], MachineSize(100, "MaxProcs")),
        (["; MaxProcs: many\n", "; MaxJobs: 12\n"], None),
        ([], None),
    ],
)
def test_the_header_says_how_large_the_machine_was(header, machine):
    assert read(*header, line()).machine == machine


def test_only_comments_before_the_first_job_are_its_header():
    assert read(line(), "; MaxProcs: 100\n").machine is None


def test_lines_that_repeat_a_job_in_parts_are_passed_over_and_counted():
    trace = read(line(1), line(1, status=2), line(1, submit=-1, status=2), line(1, submit=-1, status=3), line(2))

    assert ([job.id for job in trace.jobs], trace.parts) == (["1", "2"], 3)
