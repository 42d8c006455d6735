"""Who has to give way, to whom, and that nobody takes turns."""

from dataclasses import replace
from random import Random

import hypothesis.strategies as st
from hypothesis import given, settings

from scheduling.planning.plan import make_plan
from scheduling.policies import POLICIES, SchedulingPolicy
from scheduling.resources import Request, Resources
from scheduling.rules import Preemption, Rules
from scheduling.snapshot import Allocation, ProjectView, RunningJob, Snapshot, WaitingJob
from tests.scheduling.builders import cpu_node, gpu_node, running, share, snapshot, waiting

NOW = 100_000.0
KNOBS = Preemption(("priority", "reclaim", "pressure"), min_runtime_seconds=600)


def holding(job_id, *indices, priority=10, node="gpu-1", ran=3600.0, **more):
    job = running(job_id, share(node, cpus=max(1, len(indices)), gpu_indices=indices), priority=priority)
    more.setdefault("checkpointable", True)
    return replace(job, started_at=NOW - ran, expected_end=NOW + 90_000, **more)


def world(*jobs, held, knobs=KNOBS, nodes=None, **more):
    nodes = (gpu_node("gpu-1", 4),) if nodes is None else nodes
    return replace(snapshot(*jobs, running=tuple(held), nodes=nodes), rules=Rules(preemption=knobs), **more)


def wants(gpus, job_id=1, *, priority=90, **more):
    return waiting(job_id, priority=priority, request=Request(gpus=gpus), **more)


def stopped(seen):
    return [(one.job_id, one.strategy) for one in make_plan(seen, NOW).preemptions]


def test_a_job_of_clearly_lower_priority_gives_way():
    assert stopped(world(wants(4), held=[holding(900, 0, 1, 2, 3)])) == [(900, "priority")]


def test_a_small_difference_in_priority_is_no_reason():
    assert stopped(world(wants(4, priority=29), held=[holding(900, 0, 1, 2, 3)])) == []


def test_nobody_is_stopped_while_no_strategy_is_on():
    assert stopped(world(wants(4), held=[holding(900, 0, 1, 2, 3)], knobs=Preemption())) == []


def test_nobody_is_stopped_for_a_job_that_would_still_not_fit():
    held = [holding(900, 0, 1), holding(901, 2, 3, priority=90)]

    assert stopped(world(wants(4), held=held)) == []


def test_no_more_are_stopped_than_room_is_needed_for():
    held = [holding(900, 0), holding(901, 1), holding(902, 2), holding(903, 3)]

    assert len(stopped(world(wants(2), held=held))) == 2


def test_the_lowest_priority_gives_way_first_and_among_equals_who_loses_least():
    held = [
        holding(900, 0, priority=20),
        holding(901, 1, checkpoint_at=NOW - 3000),
        holding(902, 2, checkpoint_at=NOW - 60),
        holding(903, 3, priority=60),
    ]

    assert stopped(world(wants(1), held=held)) == [(902, "priority")]


def part_of_a_gpu(job_id, index, milli=900, **more):
    """A job that holds so many thousandths of a GPU."""
    one = Allocation("gpu-1", Resources(1, gpu_milli=milli), (index,))
    return replace(holding(job_id, **more), shares=(one,))


def test_work_on_a_part_of_a_gpu_counts_for_that_part_of_it_and_not_for_its_cpus():
    held = [holding(900, 0, checkpoint_at=NOW - 500), part_of_a_gpu(901, 1, checkpoint_at=NOW - 3000)]

    assert stopped(world(wants(1), held=held, nodes=(gpu_node("gpu-1", 2),))) == [(900, "priority")]


def test_a_job_on_a_part_of_a_gpu_is_none_without_gpus_that_would_give_way_to_any_that_has_some():
    held = [part_of_a_gpu(900, 0, priority=50)]

    assert stopped(world(wants(1, priority=50), held=held, nodes=(gpu_node("gpu-1", 1),))) == []


def test_what_is_lost_is_the_work_since_the_last_checkpoint_and_the_restart():
    held = [holding(900, 0, 1, 2, 3, checkpoint_at=NOW - 100)]

    (planned,) = make_plan(world(wants(4), held=held), NOW).preemptions

    assert (planned.for_job, planned.lost_seconds) == (1, 100 + KNOBS.restart_cost_seconds)


def test_these_are_left_alone():
    spared = {
        "it may not be preempted": holding(900, 0, 1, 2, 3, preemptible=False),
        "it has only just started": holding(900, 0, 1, 2, 3, ran=599.0),
        "it has given way often enough": holding(900, 0, 1, 2, 3, preemptions=3),
        "it cannot save its work": holding(900, 0, 1, 2, 3, checkpointable=False),
        "it is leaving already": holding(900, 0, 1, 2, 3, leaving=True),
    }

    assert {
        why: stopped(world(wants(4), held=[job])) for why, job in spared.items() if stopped(world(wants(4), held=[job]))
    } == {}


def test_no_more_jobs_are_stopped_in_an_hour_than_the_rate_allows():
    held = [holding(900, 0, 1, 2, 3)]

    assert stopped(world(wants(4), held=held, recent_preemptions=60)) == []


def test_a_gang_is_made_room_for_on_all_its_nodes_or_nobody_is_stopped():
    nodes = (gpu_node("a", 4), gpu_node("b", 4))
    gang = waiting(1, priority=90, request=Request(gpus=4, nodes=2))
    low = [holding(900, 0, 1, 2, 3, node="a"), holding(901, 0, node="b")]
    mixed = [low[0], holding(901, 0, node="b", priority=90)]

    assert sorted(stopped(world(gang, held=low, nodes=nodes))) == [(900, "priority"), (901, "priority")]
    assert stopped(world(gang, held=mixed, nodes=nodes)) == []


def test_the_room_that_was_made_is_not_given_to_somebody_else():
    helped = wants(4, 2, priority=20, promised=True)

    (placed,) = make_plan(world(wants(4, 1, priority=90), helped, held=[]), NOW).placements

    assert placed.job_id == 2


def test_a_second_job_does_not_stop_the_same_one_again():
    held = [holding(900, 0, 1, 2, 3)]

    assert stopped(world(wants(4, 1), wants(4, 2), held=held)) == [(900, "priority")]


PROJECTS = (ProjectView("vision"), ProjectView("speech"))


def test_a_project_takes_back_what_another_has_borrowed_from_its_share():
    """Each is entitled to 2 of the 4 GPUs."""
    held = [holding(900, 0, 1, project="speech", priority=50), holding(901, 2, 3, project="speech", priority=50)]

    assert len(stopped(world(wants(2, priority=50), held=held, projects=PROJECTS))) == 1


def test_nobody_reclaims_more_than_the_share_or_from_one_who_would_fall_below_it():
    held = [holding(900, 0, 1, project="speech", priority=50), holding(901, 2, 3, project="speech", priority=50)]
    whole = [holding(900, 0, 1, 2, 3, project="speech", priority=50)]

    assert stopped(world(wants(3, priority=50), held=held, projects=PROJECTS)) == []
    assert stopped(world(wants(2, priority=50), held=whole, projects=PROJECTS)) == []


def test_a_job_without_gpus_makes_room_on_a_gpu_node_for_one_that_needs_them():
    node = gpu_node("gpu-1", 4, cpus=8)
    cpu_only = replace(
        running(900, share("gpu-1", cpus=8), priority=50),
        started_at=NOW - 3600, expected_end=NOW + 9000, checkpointable=True,
    )  # fmt: skip

    assert stopped(world(wants(2, priority=50), held=[cpu_only], nodes=(node,))) == [(900, "pressure")]


class Broken(SchedulingPolicy):
    """A plugin that fails wherever it is asked."""

    name = "broken"

    def prepare(self, snapshot, now):  # noqa: ARG002 - it fails before it looks
        raise RuntimeError("no idea")


def test_a_policy_that_fails_neither_ends_the_cycle_nor_keeps_anybody_from_giving_way(monkeypatch):
    monkeypatch.setitem(POLICIES, "broken", Broken())
    seen = world(wants(4), held=[holding(900, 0, 1, 2, 3)])

    plan = make_plan(replace(seen, rules=replace(seen.rules, policy="broken")), NOW)

    assert [one.job_id for one in plan.preemptions] == [900]
    assert "RuntimeError: no idea" in plan.alerts[0]


def after(seen: Snapshot, now: float) -> tuple[Snapshot, int]:
    """The world once the plan is carried out: who was stopped waits again, and who was placed runs."""
    plan = make_plan(seen, now)
    jobs = {job.id: job for job in seen.waiting}
    gone = {one.job_id for one in plan.preemptions}
    runs = [job for job in seen.running if job.id not in gone]
    runs += [
        RunningJob(
            one.job_id, jobs[one.job_id].project, "default", jobs[one.job_id].priority, one.shares, now, now + 90_000,
            checkpointable=True, request=jobs[one.job_id].request,
        )
        for one in plan.placements
    ]  # fmt: skip
    back = [
        WaitingJob(
            job.id, job.project, "default", job.priority, float(job.id), job.request or Request(), checkpointable=True
        )
        for job in seen.running
        if job.id in gone
    ]
    placed = {one.job_id for one in plan.placements}
    helped = {one.for_job for one in plan.preemptions}
    waits = tuple(
        replace(job, promised=job.promised or job.id in helped) for job in seen.waiting if job.id not in placed
    )
    return replace(seen, waiting=(*waits, *back), running=tuple(runs)), len(plan.preemptions)


@settings(max_examples=60)
@given(st.integers(0, 2**32))
def test_without_an_outside_event_the_preemptions_end(seed):
    """No cap per job and no minimum run time: the strategies alone must not let jobs take turns."""
    dice = Random(seed)  # noqa: S311 - no secret
    knobs = Preemption(
        ("priority", "reclaim", "pressure"),
        priority_gap=dice.choice((1, 20)), min_runtime_seconds=0, max_per_job=10**6, max_per_hour=10**6,
    )  # fmt: skip
    projects = tuple(ProjectView(slug, weight=dice.choice((1.0, 2.0))) for slug in ("vision", "speech", "robots"))
    jobs = tuple(
        waiting(
            number,
            project=dice.choice(projects).slug,
            priority=dice.choice((10, 50, 50, 90)),
            request=Request(
                cpus=dice.randint(1, 4), gpus=dice.choice((0, 0, 1, 2, 4)), nodes=dice.choice((1, 1, 1, 2))
            ),
            checkpointable=True,
        )
        for number in range(1, dice.randint(4, 14))
    )
    nodes = (gpu_node("a", 4, cpus=8), gpu_node("b", 4, cpus=8), cpu_node("c", cpus=4))
    seen = replace(snapshot(nodes=nodes, projects=projects), rules=Rules(preemption=knobs, explain=False))
    for job in jobs:  # they come one after another, so that early ones hold what late ones want
        seen, _ = after(replace(seen, waiting=(*seen.waiting, job)), NOW)

    for _ in range(30):
        seen, preemptions = after(seen, NOW)
        if not preemptions:
            break
    assert preemptions == 0
