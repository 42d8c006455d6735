"""Jobs past their limits, or suspended: an end that nobody knows is not expected this minute, and nobody waits idle for it."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.forecast.forecast import forecast
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import DAY, HOUR, Rules
from scheduling.snapshot import ProjectView
from tests.scheduling.builders import gpu_node, limited, running, share, snapshot, waiting

NOW = 1_000_000.0
NODES = tuple(gpu_node(f"gpu-{number}") for number in range(1, 4))
FIFO = Rules(policy="fifo")


def holder(node="gpu-1", **more):
    """Holds all GPUs of the node."""
    job = running(900, share(node, gpu_indices=tuple(range(8))))
    return replace(job, started_at=NOW - 2 * DAY, **more)


def world(*jobs, held, **more):
    return replace(snapshot(*jobs, running=held, nodes=NODES, **more), rules=FIFO)


GANG = waiting(1, request=Request(gpus=8, nodes=3), max_runtime_seconds=3600)
SHORT = waiting(2, request=Request(gpus=8), max_runtime_seconds=600)


@pytest.mark.parametrize(
    "late",
    [
        {"expected_end": NOW - HOUR},
        {"expected_end": None},  # beyond what is assumed of jobs without a limit
        {"expected_end": NOW + 60, "suspended_since": NOW - HOUR},
        {"expected_end": None, "suspended_since": NOW - HOUR},
    ],
    ids=["limit", "assumed limit", "suspended near its limit", "suspended without a limit"],
)
def test_short_jobs_use_the_nodes_that_wait_for_a_job_whose_end_nobody_knows(late):
    plan = make_plan(world(GANG, SHORT, held=(holder(**late),)), NOW)

    assert [one.job_id for one in plan.placements] == [2]
    assert plan.reservations[0].start >= NOW + HOUR


def test_a_job_that_stays_late_is_expected_later_and_later():
    starts = []
    for passed in (0, 60, 3600, 86_400):
        held = holder(expected_end=NOW - 1)
        (kept,) = make_plan(world(GANG, held=(held,)), NOW + passed).reservations
        starts.append(kept.start - NOW - passed)

    assert starts == [1, 61, 3601, 86_401]


def test_a_place_whose_end_is_known_is_reserved_before_that_of_a_late_job():
    late = holder("gpu-1", expected_end=NOW - HOUR)
    known = [
        replace(holder(node, expected_end=NOW + ends), id=901 + ends)
        for node, ends in (("gpu-2", 1800), ("gpu-3", 900))
    ]

    (kept,) = make_plan(world(SHORT, held=(late, *known)), NOW).reservations

    assert (kept.start, kept.shares[0].node) == (NOW + 900, "gpu-3")


def test_a_late_job_frees_no_quota_this_minute():
    late = holder(expected_end=NOW - HOUR)
    projects = (limited(gpus=8), ProjectView("other"))
    head = waiting(1, request=Request(gpus=8), max_runtime_seconds=3600)
    seen = world(head, SHORT, held=(replace(late, shares=late.shares[:1]),), projects=projects)

    assert make_plan(seen, NOW).reservations[0].start == NOW + HOUR


@pytest.mark.parametrize("late", [{"expected_end": NOW - HOUR}, {"expected_end": None}])
def test_who_waits_for_it_may_start_now_at_the_soonest_but_is_not_expected_to(late):
    told = forecast(world(GANG, held=(holder(**late),)), NOW)[1]

    assert told.soonest == NOW
    assert told.expected >= NOW + HOUR


@settings(max_examples=30, deadline=None)
@given(late=st.floats(1, 30 * DAY), limit=st.integers(1, 3600), has_limit=st.booleans())
def test_whatever_ends_in_half_the_time_that_a_job_is_late_never_waits_for_it(late, limit, has_limit):
    held = replace(holder(expected_end=NOW - late if has_limit else None), started_at=NOW - DAY - late)
    short = replace(SHORT, max_runtime_seconds=limit)

    started = [one.job_id for one in make_plan(world(GANG, short, held=(held,)), NOW).placements]

    assert started == [2] or limit > late / 2
