"""What is being freed counts as free, and belongs to those it was made for: nobody is stopped in vain, or for it again."""

from dataclasses import replace
from random import Random
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Backfill, Preemption, Rules
from scheduling.snapshot import Limits, ProjectView, QueueView, Snapshot
from tests.scheduling.builders import gpu_node, waiting
from tests.scheduling.stopping import (
    KNOBS,
    NOW,
    PROJECTS,
    QUEUES,
    Playing,
    at_once,
    background,
    crowded,
    whole_nodes,
)

some = settings(max_examples=12)
seeds = st.integers(0, 2**32)
ALL = tuple(range(8))


def nodes(number):
    return tuple(gpu_node(f"n{index}", 8) for index in range(number))


def low(number, *indices, node=None, **more):
    return background(900 + number, node or f"n{number}", *(indices or ALL), **more)


def wants(job_id, gpus=8, *, priority=90, nodes=1, **more):
    return waiting(job_id, priority=priority, request=Request(cpus=1, gpus=gpus, nodes=nodes), **more)


def world(*jobs, held, fleet, **more):
    rules = more.pop("rules", Rules(preemption=KNOBS))
    return Snapshot(jobs, tuple(held), nodes(fleet), QUEUES, more.pop("projects", PROJECTS), rules=rules, **more)


def told(seen):
    return [(one.job_id, one.for_job) for one in make_plan(seen, NOW).preemptions]


def played(seed, build, *, says_for_whom=True):
    """The same world: as time goes by, and as one saw it who needs not wait for anybody to go."""
    dice = Random(seed)  # noqa: S311 - no secret
    seen = build(dice)
    leave_in = {job.id: float(dice.randint(0, 60)) for job in seen.running}
    return Playing(seen, leave_in, says_for_whom=says_for_whom).play(30), at_once(seen)


@some
@given(seed=seeds, says_for_whom=st.booleans())
def test_no_more_are_stopped_than_by_one_who_sees_everybody_gone_at_once(seed, says_for_whom):
    playing, needed = played(seed, whole_nodes, says_for_whom=says_for_whom)

    helped = {for_job for _, for_job in needed}
    assert len([1 for _, for_job in playing.told if for_job in helped]) <= len(needed)


@some
@given(seed=seeds, says_for_whom=st.booleans())
def test_nobody_is_told_twice_and_whoever_somebody_was_stopped_for_starts_when_all_have_gone(seed, says_for_whom):
    playing, _ = played(seed, crowded, says_for_whom=says_for_whom)

    assert len({job_id for job_id, _ in playing.told}) == len(playing.told)
    for for_job in {for_job for _, for_job in playing.told}:
        assert playing.starts[for_job] <= max(playing.gone[job_id] for job_id, _ in playing.told)


@some
@given(seed=seeds)
def test_each_starts_in_the_first_cycle_after_its_own_victims_have_gone(seed):
    playing, _ = played(seed, lambda dice: replace(whole_nodes(dice), projects=PROJECTS))

    for for_job in {for_job for _, for_job in playing.told}:
        gone = [playing.gone[job_id] for job_id, other in playing.told if other == for_job]
        coming = [playing.gone[job.id] for job in playing.began.running if job.leaving]
        assert playing.starts[for_job] <= max(gone + coming)


def test_two_urgent_jobs_stop_one_each_while_these_take_their_time_to_go():
    seen = world(wants(1), wants(2), held=[low(number) for number in range(6)], fleet=6)

    playing = Playing(seen, dict.fromkeys(range(900, 906), 30.0)).play(10)

    assert sorted(for_job for _, for_job in playing.told) == [1, 2]
    assert playing.starts == {1: NOW + 30, 2: NOW + 30}


def test_who_is_cancelled_and_in_its_grace_is_room_for_the_first_in_line_and_nobody_else_is_stopped():
    held = [low(0, leaving=True), low(1, leaving=True), low(2), low(3)]

    assert told(world(wants(1), wants(2), held=held, fleet=4)) == []
    assert len(told(world(wants(1), wants(2), wants(3), held=held, fleet=4))) == 1


@pytest.mark.parametrize("limit", [None, 1])
def test_no_small_job_slips_into_room_that_becomes_free_piece_by_piece(limit):
    small = wants(3, 4, priority=80, max_runtime_seconds=limit)
    held = [low(0, 0, 1, 2, 3, node="n0", leaving=True, leaving_for=2), low(1, leaving=True, leaving_for=1)]
    helped = [wants(1, promised=True), wants(2, promised=True)]

    plan = make_plan(world(*helped, small, held=held, fleet=2), NOW)

    assert plan.placements == ()


def test_two_that_were_helped_do_not_take_each_others_room_where_the_narrow_one_stands_first():
    """The narrow one would start at once where the wide one's second victim is still to go."""
    held = [low(0, 0, 1, 2, 3, node="n0", leaving=True), low(1, 0, 1, 2, 3, node="n1", leaving=True),
            low(2, 4, 5, 6, 7, node="n1", preemptible=False)]  # fmt: skip
    helped = [wants(1, 4, promised=True), wants(2, 8, promised=True)]

    plan = make_plan(world(*helped, held=held, fleet=2), NOW)

    assert (plan.preemptions, plan.placements) == ((), ())
    assert {one.job_id: one.shares[0].node for one in plan.reservations} == {1: "n1", 2: "n0"}


def test_the_room_of_a_beneficiary_that_does_not_want_it_any_more_is_free_for_all():
    held = [low(0, leaving=True, leaving_for=7), low(1)]

    plan = make_plan(world(wants(1), held=held, fleet=2), NOW)

    assert plan.preemptions == ()
    assert [(one.job_id, one.shares[0].node) for one in plan.reservations] == [(1, "n0")]


def test_one_whose_room_turns_out_unusable_may_ask_again_within_the_caps():
    helped, held = wants(1, promised=True), [low(0, leaving=True, leaving_for=1), low(1)]
    seen = world(helped, held=held, fleet=2)
    broken = replace(seen, nodes=(replace(seen.nodes[0], state="down"), seen.nodes[1]))

    assert told(broken) == [(901, 1)]
    assert told(replace(broken, recent_preemptions=KNOBS.max_per_hour)) == []


def test_a_gang_keeps_what_is_free_for_it_while_the_rest_is_coming():
    gang = wants(1, nodes=2, promised=True)
    held = [low(0, leaving=True, leaving_for=1)]

    plan = make_plan(world(gang, wants(2, 4), held=held, fleet=2), NOW)

    assert (plan.placements, plan.preemptions) == ((), ())


@pytest.mark.parametrize("limit", [None, 1])
def test_quota_that_is_being_freed_for_a_job_is_not_taken_by_a_smaller_one(limit):
    """The first of its victims has gone: four GPUs of the quota are free, and nodes are idle."""
    vision = (PROJECTS[0], ProjectView("vision", "org", Limits(gpus=8)), PROJECTS[2])
    held = [low(0, 0, 1, 2, 3, node="n0", leaving=True, leaving_for=1)]
    helped = wants(1, promised=True, project="vision")

    small = wants(2, 4, project="vision", max_runtime_seconds=limit)

    plan = make_plan(world(helped, small, held=held, fleet=3, projects=vision), NOW)

    assert plan.placements == ()


def test_quota_that_others_leave_at_their_limits_is_not_counted_on_beside_what_is_being_freed():
    vision = (PROJECTS[0], ProjectView("vision", "org", Limits(gpus=8)), PROJECTS[2])
    at_its_limit = replace(low(1, 0, node="n1"), expected_end=NOW + 1)
    held = [low(0, 0, 1, 2, 3, node="n0", leaving=True, leaving_for=1), at_its_limit]
    helped = wants(1, 6, promised=True, project="vision")

    alone = make_plan(world(helped, wants(2, 1, project="vision"), held=held, fleet=4, projects=vision), NOW)
    plan = make_plan(world(helped, wants(2, 2, project="vision"), held=held, fleet=4, projects=vision), NOW)

    assert [one.job_id for one in alone.placements] == [2]
    assert plan.placements == ()


def test_without_backfilling_none_starts_before_the_first_for_which_room_is_coming():
    rules = Rules(preemption=KNOBS, backfill=Backfill.NONE)
    held = [low(0, leaving=True, leaving_for=1), low(1, 0, 1, 2, 3, node="n1")]
    helped = [wants(1, promised=True), wants(2, 4, promised=True)]

    assert make_plan(world(*helped, held=held, fleet=2, rules=rules), NOW).placements == ()


LIMITS = {
    "its own quota": (ProjectView("org"), ProjectView("vision", "org", Limits(gpus=8))),
    "the quota of the project above": (ProjectView("org", None, Limits(cpus=8)), ProjectView("vision", "org")),
    "a quota on running jobs": (ProjectView("org", None, Limits(running_jobs=1)), ProjectView("vision", "org")),
}


def test_a_promised_job_that_finds_no_place_keeps_no_other_from_its_own():
    """Two nodes were to be there for job 1, and one of them is gone."""
    jobs = (replace(wants(1, nodes=2), promised=True), replace(wants(2, gpus=4), promised=True))

    plan = make_plan(world(*jobs, held=(), fleet=1, rules=Rules(backfill=Backfill.NONE)), NOW)

    assert [one.job_id for one in plan.placements] == [2]


def test_an_urgent_job_displaces_what_a_full_quota_holds_though_nodes_are_free():
    for why, projects in LIMITS.items():
        seen = world(wants(1), held=[low(0)], fleet=2, projects=projects)

        assert told(seen) == [(900, 1)], why


def test_an_urgent_job_displaces_what_a_full_queue_holds():
    seen = world(wants(1, 1, queue="one"), held=[low(0, queue="one")], fleet=2)

    assert told(replace(seen, queues=(*QUEUES, QueueView("one", 10, "open", 1)))) == [(900, 1)]
    assert told(replace(seen, queues=(*QUEUES, QueueView("one", 10, "paused", 1)))) == []


def test_of_those_under_a_quota_the_fewest_and_cheapest_give_way_and_only_those_that_hold_what_is_short():
    projects = (ProjectView("org"), ProjectView("vision", "org", Limits(gpus=8)))
    held = [
        low(0, 0, 1, node="n0"), low(1, 2, 3, 4, 5, node="n0"), low(2, 0, 1, node="n1"),
        background(950, "n1", request=Request(cpus=1)),
    ]  # fmt: skip

    assert told(world(wants(1, 4), held=held, fleet=3, projects=projects)) == [(900, 1), (902, 1)]


def test_nobody_is_stopped_under_a_quota_where_that_would_not_do():
    projects = (ProjectView("org"), ProjectView("vision", "org", Limits(gpus=8)))
    spared = low(1, 4, 5, 6, 7, node="n0", preemptible=False)
    held = [low(0, 0, 1, 2, 3, node="n0"), spared]

    assert told(world(wants(1), held=held, fleet=2, projects=projects)) == []


def test_part_of_a_gpu_is_made_room_for_and_kept_too():
    part = Request(cpus=1, gpus=1, gpu_milli=500)
    held = [replace(low(number, 0, node="n0", request=part), leaving=number == 0) for number in (0, 1)]
    fleet = (gpu_node("n0", 1),)
    seen = replace(world(waiting(1, priority=90, request=part), held=held, fleet=1), nodes=fleet)

    assert told(seen) == []
    assert told(replace(seen, waiting=(*seen.waiting, waiting(2, priority=90, request=part)))) == [(901, 2)]


BLOCKED: dict[str, dict[str, Any]] = {
    "a quota that nobody else holds": {"project": "speech"},
    "a dependency": {"unmet": (77,)},
    "a dependency that failed": {"broken": (77,)},
    "a hold": {"held": "ann"},
    "a later time": {"not_before": NOW + 9000},
    "a queue that is paused": {"queue": "stopped"},
}


def test_those_that_cannot_start_whoever_gives_way_take_no_place_among_those_that_are_looked_at():
    projects = (ProjectView("org"), ProjectView("vision", "org"), ProjectView("speech", "org", Limits(gpus=0)))
    for why, fields in BLOCKED.items():
        blocked = [wants(number, 1 + number % 8, priority=95, **fields) for number in range(1, 41)]
        seen = world(*blocked, wants(500), held=[low(0)], fleet=1, projects=projects)
        seen = replace(seen, queues=(*QUEUES, QueueView("stopped", 30, "paused")))

        assert told(seen) == [(900, 500)], why


def test_those_for_which_there_is_no_machine_or_nobody_of_less_importance_take_no_place_either():
    wide = [wants(number, 1, nodes=2 + number, priority=95) for number in range(1, 41)]
    live = [wants(number, 1 + number % 8, priority=10, queue="live") for number in range(41, 81)]

    seen = world(*wide, *live, wants(500), held=[low(0), low(1)], fleet=2)

    assert [for_job for _, for_job in told(seen)] == [500]


def test_reclaiming_counts_shares_without_those_that_leave_already():
    """Speech holds 16 of 32 GPUs: what it has borrowed is leaving for job 1, and no more may be taken from it."""
    projects = (ProjectView("vision"), ProjectView("speech"))
    knobs = Preemption(("reclaim",), max_per_hour=100)
    held = [low(0, project="speech", leaving=True, leaving_for=1, priority=50)]
    held += [low(number, project="speech", priority=50) for number in (1, 2)]
    held += [low(3, project="vision", priority=50, preemptible=False)]
    jobs = [wants(1, priority=50, promised=True, project="vision"), wants(2, priority=50, project="vision")]

    assert told(world(*jobs, held=held, fleet=4, projects=projects, rules=Rules(preemption=knobs))) == []


def test_an_urgent_job_uses_what_comes_anyway_beside_what_is_stopped_for_it_before_less_important_ones_do():
    held = [low(0, 0, 1, 2, 3, node="n0", leaving=True), low(1, 4, 5, 6, 7, node="n0"), low(2, node="n1", priority=20)]

    assert told(world(wants(1), wants(2, 4, priority=10), held=held, fleet=2)) == [(901, 1)]
