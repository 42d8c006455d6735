"""Whole passes: who is placed, who waits, in what order."""

from dataclasses import replace

from scheduling.planning.plan import Plan, make_plan
from scheduling.reasons import ReasonCode
from scheduling.resources import Request
from scheduling.rules import Rules
from scheduling.snapshot import ProjectView, QueueView, Snapshot
from tests.scheduling.builders import cpu_node, gpu_node, limited, running, share, snapshot, waiting

NOW = 1000.0


def placed(plan: Plan) -> list[int]:
    return [one.job_id for one in plan.placements]


def codes(plan: Plan) -> dict[int, list[str]]:
    return {wait.job_id: [str(reason.code) for reason in wait.reasons] for wait in plan.waits}


def test_nothing_to_do_gives_an_empty_plan():
    assert make_plan(Snapshot(), NOW) == Plan((), (), ())


def test_a_job_that_fits_is_placed_with_what_it_asked_for():
    request = Request(cpus=4, memory_mb=1024, gpus=2)

    plan = make_plan(snapshot(waiting(1, request=request)), NOW)

    (job,) = plan.placements
    (held,) = job.shares
    assert (held.node, held.amount, held.gpu_indices) == ("gpu-1", request.amount, (0, 1))


def test_what_one_job_takes_the_next_one_no_longer_finds():
    first, second = (waiting(number, request=Request(gpus=5)) for number in (1, 2))

    plan = make_plan(snapshot(first, second), NOW)

    assert placed(plan) == [1]
    assert codes(plan) == {2: ["resources"]}


def test_what_runs_is_not_given_away_again():
    taken = running(900, share("gpu-1", gpu_indices=(0, 1, 2)))

    plan = make_plan(snapshot(waiting(1, request=Request(gpus=2)), running=(taken,)), NOW)

    assert plan.placements[0].shares[0].gpu_indices == (3, 4)


def test_a_job_that_does_not_fit_does_not_block_a_smaller_one_behind_it():
    big, small = waiting(1, request=Request(cpus=100)), waiting(2)

    plan = make_plan(snapshot(big, small), NOW)

    assert placed(plan) == [2]
    assert codes(plan) == {1: ["hardware"]}


def test_the_line_names_those_who_wait_in_planning_order():
    jobs = [waiting(number, priority=priority) for number, priority in ((1, 10), (2, 90), (3, 50))]

    plan = make_plan(snapshot(*jobs, nodes=()), NOW)

    assert plan.line == (2, 3, 1)
    assert [wait.job_id for wait in plan.waits] == [2, 3, 1]


def test_a_job_tells_all_that_keeps_it_not_just_the_first():
    job = waiting(1, queue="batch", request=Request(gpus=9), unmet=(77,), not_before=NOW + 60)
    world = snapshot(
        job, queues=(QueueView("batch", 0, state="paused", max_running=0),), projects=(limited(gpus=8, cpus=0),)
    )

    assert codes(make_plan(world, NOW)) == {
        1: ["dependency", "not_before", "queue_paused", "queue_limit", "quota", "hardware"]
    }


def test_a_second_look_says_the_same_when_nothing_has_changed():
    """Reasons are written only when they differ, so a plan explains by what is left after all its placements."""
    jobs = [waiting(number, request=Request(gpus=3)) for number in (1, 2, 3)]
    before = snapshot(*jobs, projects=(limited(gpus=7),), nodes=(gpu_node(),))
    first = make_plan(before, NOW)
    started = tuple(running(one.job_id, *one.shares) for one in first.placements)

    second = make_plan(snapshot(jobs[2], running=started, projects=before.projects, nodes=before.nodes), NOW + 5)

    assert second.waits == first.waits
    assert second.placements == ()


def test_what_is_placed_counts_at_once_for_the_quota_of_every_ancestor():
    projects = (ProjectView("vision", "acme"), ProjectView("speech", "acme"), limited("acme", gpus=3))
    jobs = (waiting(1, request=Request(gpus=2)), waiting(2, project="speech", request=Request(gpus=2)))

    plan = make_plan(snapshot(*jobs, projects=projects), NOW)

    assert placed(plan) == [1]
    assert codes(plan) == {2: ["quota"]}


def test_a_quota_that_is_not_enforced_holds_nobody_back():
    assert placed(make_plan(snapshot(waiting(1), projects=(limited(cpus=0, enforced=False),)), NOW)) == [1]


def test_a_queue_starts_as_many_as_it_may_and_no_more():
    queues = (QueueView("default", 10, max_running=3),)
    jobs = [waiting(number) for number in (1, 2, 3)]

    plan = make_plan(snapshot(*jobs, running=(running(900),), queues=queues), NOW)

    assert placed(plan) == [1, 2]
    assert codes(plan) == {3: ["queue_limit"]}


def test_a_job_held_by_itself_does_not_hold_back_those_that_are_like_it():
    plan = make_plan(snapshot(waiting(1, unmet=(77,)), waiting(2)), NOW)

    assert placed(plan) == [2]


def test_jobs_that_wait_for_the_same_share_one_reason():
    """Thousands of them are written with one statement, and explained once."""
    jobs = [waiting(number, request=Request(cpus=100)) for number in (1, 2)]

    first, second = make_plan(snapshot(*jobs), NOW).waits

    assert first.reasons[0] is second.reasons[0]


def test_a_queue_chooses_its_own_policy_over_the_platform_s():
    queues = (QueueView("default", 10, policy="fifo"),)
    jobs = (waiting(1, priority=0, request=Request(gpus=8)), waiting(2, priority=100, request=Request(gpus=8)))

    assert placed(make_plan(snapshot(*jobs, queues=queues), NOW)) == [1]
    assert placed(make_plan(snapshot(*jobs), NOW)) == [2]


def test_without_nodes_every_job_says_so():
    plan = make_plan(snapshot(waiting(1), waiting(2, request=Request(gpus=1)), nodes=()), NOW)

    assert codes(plan) == {1: [ReasonCode.NO_NODE], 2: [ReasonCode.NO_NODE]}


def test_nodes_that_drain_are_down_or_silent_take_nothing():
    nodes = (
        cpu_node("a", state="draining"),
        cpu_node("b", state="down"),
        cpu_node("c", alive=False),
    )

    assert codes(make_plan(snapshot(waiting(1), nodes=nodes), NOW)) == {1: ["no_node"]}


def test_a_gang_gets_a_share_on_each_of_its_nodes_or_nothing():
    nodes = (gpu_node("a"), gpu_node("b"), gpu_node("c", 4))
    gang = Request(gpus=8, nodes=2)

    plan = make_plan(snapshot(waiting(1, request=gang), waiting(2, request=gang), nodes=nodes), NOW)

    (job,) = plan.placements
    assert [(one.node, one.rank, len(one.gpu_indices)) for one in job.shares] == [("a", 0, 8), ("b", 1, 8)]
    assert codes(plan) == {2: ["resources"]}
    assert plan.waits[0].reasons[0].shortfall == {"nodes": 2}


def test_a_gang_larger_than_the_platform_waits_and_says_how_many_nodes_are_missing():
    plan = make_plan(snapshot(waiting(1, request=Request(gpus=8, nodes=3))), NOW)

    assert codes(plan) == {1: ["hardware"]}
    assert plan.waits[0].reasons[0].shortfall == {"nodes": 2}


def test_a_plan_without_explanations_still_has_the_line():
    plan = make_plan(replace(snapshot(waiting(1), nodes=()), rules=Rules(explain=False)), NOW)

    assert (plan.line, plan.waits) == ((1,), ())
