"""Jobs past their limits, or suspended: an end that nobody knows is not expected this minute, and nobody waits idle for it."""

from dataclasses import replace

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.forecast.forecast import forecast
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import DAY, HOUR, Rules
from scheduling.snapshot import ProjectView, RunningJob
from scheduling.stages import started
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


@settings(max_examples=30)
@given(late=st.floats(1, 30 * DAY), limit=st.integers(1, 3600), has_limit=st.booleans())
def test_whatever_ends_in_half_the_time_that_a_job_is_late_never_waits_for_it(late, limit, has_limit):
    held = replace(holder(expected_end=NOW - late if has_limit else None), started_at=NOW - DAY - late)
    short = replace(SHORT, max_runtime_seconds=limit)

    started = [one.job_id for one in make_plan(world(GANG, short, held=(held,)), NOW).placements]

    assert started == [2] or limit > late / 2


BESIDE = waiting(3, request=Request(gpus=1))


def late_ones(assumed=HOUR, **more):
    """The gang waits for one node, whose job will stay for ten hours or more; the other nodes are free."""
    seen = world(GANG, BESIDE, replace(SHORT, request=Request(gpus=1)), held=(holder(**more),))
    return replace(seen, rules=replace(FIFO, assumed_limit_seconds=assumed))


def test_while_a_job_outlives_the_assumed_limit_no_other_without_one_starts_before_a_promise():
    """It was not believed of the last one either that it would stay: one after the other they would hold up the gang for ever."""
    plan = make_plan(late_ones(expected_end=None), NOW)

    assert [one.job_id for one in plan.placements] == [2]
    [why] = next(wait.reasons for wait in plan.waits if wait.job_id == 3)
    assert (why.code, why.held_by) == ("ahead", (1,))


def test_before_a_promise_that_depends_on_limits_alone_one_without_a_limit_starts_if_the_assumed_one_is_short_enough():
    plan = make_plan(late_ones(expected_end=NOW + 10 * HOUR), NOW)

    assert {one.job_id for one in plan.placements} == {2, 3}


def test_inside_a_full_quota_too_none_without_a_limit_starts_before_who_waits_for_one_that_outlives_it():
    late = replace(holder(expected_end=None), shares=(share("gpu-1", gpu_indices=(0, 1)),))
    wide = waiting(1, request=Request(gpus=5), max_runtime_seconds=3600)
    projects = (limited(gpus=5), ProjectView("other"))
    seen = world(wide, BESIDE, replace(SHORT, request=Request(gpus=1)), held=(late,), projects=projects)

    plan = make_plan(replace(seen, rules=replace(FIFO, assumed_limit_seconds=HOUR)), NOW)

    assert [one.job_id for one in plan.placements] == [2]


def test_beside_a_promise_there_is_room_for_so_many_gpus_whichever_are_kept_in_the_end():
    late = replace(holder(expected_end=None), shares=(share("gpu-1", gpu_indices=(0, 1, 2, 3)),))
    new = replace(late, id=901, started_at=NOW - 60, shares=(share("gpu-1", gpu_indices=(6, 7)),))
    wide = waiting(1, request=Request(gpus=6), max_runtime_seconds=3600)
    line = (wide, BESIDE, replace(SHORT, request=Request(gpus=1)))
    rules = replace(FIFO, assumed_limit_seconds=HOUR)

    plan = make_plan(replace(snapshot(*line, running=(late, new), nodes=NODES[:1]), rules=rules), NOW)

    assert [one.job_id for one in plan.placements] == [2]


WHOLE, PART = Request(gpus=8, nodes=3), Request(gpus=6, nodes=3)


@pytest.mark.parametrize(
    ("asked", "others", "quota"),
    [(WHOLE, 8, None), (PART, 1, None), (PART, 2, None), (PART, 1, 20)],
    ids=["whole nodes", "parts of nodes", "larger parts", "inside a quota"],
)
@settings(max_examples=15)
@given(lengths=st.lists(st.integers(1, 8), min_size=400, max_size=400), every=st.integers(1, 3))
def test_a_gang_starts_though_only_jobs_without_a_limit_come(asked, others, quota, lengths, every):
    """Each runs for up to eight hours, where one is assumed: it waits for those that run when it comes, and for one more at most."""
    rules, projects = replace(FIFO, assumed_limit_seconds=HOUR), (limited(gpus=quota), ProjectView("other"))
    line, held, ends, hours = [replace(GANG, request=asked)], list[RunningJob](), dict[int, float](), iter(lengths)
    for node in NODES:
        job = replace(holder(node.name), id=100 + len(held), started_at=NOW, expected_end=None)
        held, ends = [*held, job], {**ends, job.id: NOW + HOUR * next(hours)}
    for step in range(17):
        now = NOW + step * HOUR
        held = [job for job in held if ends[job.id] > now]
        if step % every == 0:
            new = range(200 + 10 * step, 200 + 10 * step + 8 // others)
            line += [waiting(number, submitted_at=now, request=Request(gpus=others)) for number in new]
        seen = snapshot(*line, running=tuple(held), nodes=NODES, projects=projects)
        placed = {one.job_id: one.shares for one in make_plan(replace(seen, rules=rules), now).placements}
        if GANG.id in placed:
            return
        begun = [job for job in line if job.id in placed]
        line = [job for job in line if job.id not in placed]
        held += [started(job, placed[job.id], now) for job in begun]
        ends |= {job.id: now + HOUR * next(hours) for job in begun}
    raise AssertionError("the gang still waits")
