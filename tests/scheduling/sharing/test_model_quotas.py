"""GPUs by model as a quota: counted by the GPUs that a job holds, told by the model, and kept for who waits first."""

from dataclasses import replace

from scheduling.forecast.outlook import outlook
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.rules import Preemption, Rules
from scheduling.sharing.admission import admission_faults
from scheduling.snapshot import Limits, ProjectView
from tests.scheduling.builders import gpu_node, gpus, limited, running, share, snapshot, waiting

A100 = "NVIDIA A100-SXM4-40GB"
H_NODE, A_NODE = gpu_node("h", 8), gpu_node("a", gpus=gpus(8, model=A100, memory_mb=40_960))
TREE = (limited("vision", gpu_models=(("h100", 2), ("a100", 4))),)


def asks(job_id, *, gpus=1, model="", nodes=1, seconds=50, **more):
    request = Request(gpus=gpus, gpu_model=model, nodes=nodes)
    return waiting(job_id, request=request, max_runtime_seconds=seconds, **more)


def runs(job_id, node, *indices, until=100.0, **more):
    job = running(job_id, share(node, gpu_indices=indices), **more)
    return replace(job, started_at=0.0, expected_end=until, request=Request(gpus=len(indices)))


def world(*jobs, running=(), projects=TREE, nodes=(H_NODE, A_NODE), **more):
    return snapshot(*jobs, nodes=nodes, running=running, projects=projects, **more)


def places(snap, now=0.0):
    return {one.job_id: "".join(share.node for share in one.shares) for one in make_plan(snap, now).placements}


def reasons_of(snap, job_id, now=0.0):
    return next(wait.reasons for wait in make_plan(snap, now).waits if wait.job_id == job_id)


def test_who_names_a_model_counts_on_that_and_no_other():
    jobs = [asks(number, model="h100") for number in (1, 2, 3)]

    assert places(world(*jobs, asks(4, model="a100"))) == {1: "h", 2: "h", 4: "a"}
    [reason] = reasons_of(world(*jobs), 3)
    assert reason.sentence == "The quota of project vision for h100 allows 2 GPUs (2 in use); this job needs 1 GPU."
    assert (reason.code, reason.held_by) == ("quota", (1, 2))


def test_who_names_none_goes_where_its_quota_has_room_left():
    jobs = [asks(number, gpus=2) for number in (1, 2, 3, 4)]

    found = places(world(*jobs))

    assert sorted(found.values()) == ["a", "a", "h"]
    assert {one.sentence for one in reasons_of(world(*jobs), 4)} == {
        "The quota of project vision for h100 allows 2 GPUs (2 in use); this job needs 2 GPUs.",
        "The quota of project vision for a100 allows 4 GPUs (4 in use); this job needs 2 GPUs.",
    }


def test_a_gang_counts_each_member_by_its_node():
    nodes = tuple(replace(one, name=f"{one.name}{number}") for one in (H_NODE, A_NODE) for number in (1, 2, 3))

    found = places(world(asks(1, gpus=2, nodes=3), nodes=nodes))

    assert sorted(name[0] for name in found[1].replace("1", "").replace("2", "").replace("3", "")) == ["a", "a", "h"]


def test_other_projects_and_models_without_a_limit_are_not_held_up():
    t4 = gpu_node("t", gpus=gpus(8, model="Tesla T4", memory_mb=15_360))
    full = (runs(8, "h", 0, 1), runs(9, "a", 0, 1, 2, 3))
    tree = (*TREE, ProjectView("speech"))

    snap = world(
        asks(1), asks(2, project="speech", model="h100"), running=full, projects=tree, nodes=(H_NODE, A_NODE, t4)
    )
    assert places(snap) == {1: "t", 2: "h"}


def test_room_on_nodes_of_a_full_model_is_told_as_what_it_is():
    """There is room, but not where the quota has some left: that is neither a lack of room nor somebody else's turn."""
    others = runs(7, "a", *range(8), project="speech")
    snap = world(asks(1), running=(runs(8, "h", 0, 1), others), projects=(*TREE, ProjectView("speech")))

    [reason] = reasons_of(snap, 1)

    assert reason.sentence.startswith("The quota of project vision for h100 allows 2 GPUs (2 in use)")


def test_that_there_is_room_on_a_full_model_alone_is_told_beside_what_its_queue_refuses():
    """Without the queue's limit it would still wait."""
    others, tree = runs(7, "a", *range(8), project="speech"), (*TREE, ProjectView("speech"))
    snap = world(asks(1, gpus=2, owner="ann"), running=(runs(8, "h", 0), others), projects=tree)
    limited_there = replace(snap, queues=tuple(replace(one, each_user=Limits(gpus=1)) for one in snap.queues))

    told = [reason.sentence for reason in reasons_of(limited_there, 1)]

    assert told == [
        "Queue default allows a user 1 GPU (0 in use); this job needs 2 GPUs.",
        "The quota of project vision for h100 allows 2 GPUs (1 in use); this job needs 2 GPUs.",
    ]


def test_a_level_above_counts_what_runs_below():
    tree = (limited("team", gpu_models=(("h100", 3),)), ProjectView("vision", "team"), ProjectView("speech", "team"))
    snap = world(
        *(asks(number, model="h100") for number in (1, 2)),
        running=(runs(8, "h", 0, 1, project="speech"),),
        projects=tree,
    )

    assert places(snap) == {1: "h"}
    assert reasons_of(snap, 2)[0].sentence.startswith("The quota of project team for h100 allows 3 GPUs (3 in use)")


def test_the_first_in_line_keeps_its_room_in_the_quota_of_its_model():
    held = (runs(8, "h", 0, until=100),)
    large, long, short = (
        asks(1, gpus=2, model="h100"),
        asks(2, model="h100", seconds=150),
        asks(3, model="h100", seconds=60),
    )

    assert places(world(large, long, short, running=held)) == {3: "h"}
    told = outlook(world(large, running=held), 0.0, 1)
    assert (told.start.expected, told.reasons[0].expected_clear) == (100, 100)


def test_who_may_go_to_either_model_keeps_room_where_it_starts_first():
    held = (runs(8, "h", 0, until=500), runs(9, "a", 0, 1, until=500), runs(10, "a", 2, until=100))
    either, long = asks(1, gpus=2), asks(2, model="a100", seconds=150)

    assert places(world(either, long, running=held)) == {}
    assert places(world(either, asks(3, model="a100", seconds=50), running=held)) == {3: "a"}
    assert places(world(either, asks(4, model="h100", seconds=450), running=held)) == {4: "h"}
    assert places(world(either, asks(5, seconds=150), running=held)) == {5: "h"}
    full = (*held, runs(11, "h", 1, until=500))
    assert places(world(either, asks(5, seconds=150), asks(6, seconds=50), running=full)) == {6: "a"}


def test_nothing_is_kept_for_whom_one_of_two_levels_never_lets_in():
    """The quota of its team would, on GPUs that its own project may not have at all."""
    none = limited("vision", parent="team", gpu_models=(("h100", 0), ("a100", 0)))
    tree = (limited("team", gpu_models=(("h100", 8),)), none, ProjectView("speech"))

    assert places(world(asks(1, gpus=2), asks(2, gpus=8, model="h100", project="speech"), projects=tree)) == {2: "h"}


def test_a_start_is_promised_when_all_levels_allow_it():
    """The quota of its team has room on one model now, its own on the other first."""
    own = limited("vision", parent="team", gpu_models=(("h100", 2), ("a100", 2)))
    tree = (limited("team", gpu_models=(("h100", 8),)), own)
    held = (runs(8, "h", 0, 1, until=500), runs(9, "a", 0, 1, until=100))

    [kept] = make_plan(world(asks(1, gpus=2), running=held, projects=tree), 0.0).reservations

    assert (kept.start, [share.node for share in kept.shares]) == (100, ["a"])


def test_nobody_is_stopped_whose_gpus_are_of_another_model():
    eager = Rules(preemption=Preemption(("priority",), min_runtime_seconds=0, only_checkpointable=False))
    cheap, right = runs(7, "a", 0, priority=1), runs(8, "h", 0, 1, priority=10)
    urgent = asks(1, model="h100", priority=90)

    plan = make_plan(replace(world(urgent, running=(cheap, right)), rules=eager), 10.0)

    assert [one.job_id for one in plan.preemptions] == [8]


def test_who_may_go_to_either_model_may_displace_who_holds_what_is_left_of_neither():
    eager = Rules(preemption=Preemption(("priority",), min_runtime_seconds=0, only_checkpointable=False))
    other, right = runs(7, "h", 7, priority=1, project="speech"), runs(8, "h", 0, 1, priority=10)
    held = (other, right, runs(9, "a", 0, 1, 2, 3, priority=95))

    tree = (*TREE, ProjectView("speech"))
    plan = make_plan(replace(world(asks(1, gpus=2, priority=90), running=held, projects=tree), rules=eager), 10.0)

    assert [one.job_id for one in plan.preemptions] == [8]


def test_a_lowered_limit_stops_nobody_and_one_not_enforced_holds_nobody():
    held = (runs(8, "h", 0, 1, 2, 3),)
    assert make_plan(world(asks(1, model="h100"), running=held), 0.0).preemptions == ()
    assert places(world(asks(1, model="h100"), running=held)) == {}
    shown = (limited("vision", enforced=False, gpu_models=(("h100", 0),)),)
    assert places(world(asks(1, model="h100"), projects=shown)) == {1: "h"}


def test_what_no_model_could_ever_hold_is_refused_with_each_level_and_model():
    def words(**asked):
        return [one.message for one in admission_faults(Request(**asked), nodes=(H_NODE, A_NODE), chain=TREE)]

    assert words(gpus=3, gpu_model="h100") == [
        "The quota of project vision for h100 allows at most 2 GPUs at once; this job needs 3 GPUs."
    ]
    assert words(gpus=3) == []
    assert len(words(gpus=5)) == 2
    assert words(gpus=2, nodes=2) == []


def offered(snap, job_id):
    return [one for one in outlook(snap, 0.0, job_id).changes if one.field == "gpu_models"]


def starts_with(snap, job_id, models):
    projects = tuple(
        replace(one, limits=replace(one.limits, gpu_models=tuple((dict(one.limits.gpu_models) | models[one.slug]).items())))
        if one.slug in models else one
        for one in snap.projects
    )  # fmt: skip
    return job_id in places(replace(snap, projects=projects))


def test_the_smallest_raise_of_the_model_that_keeps_a_job_is_offered_and_starts_it():
    tree = (limited(gpu_models=(("h100", 2), ("a100", 4))),)
    snap = world(asks(1, gpus=2, model="h100"), running=(runs(900, "h", 0),), projects=tree)
    [change] = offered(snap, 1)
    assert (change.before, change.after) == ({"vision": {"h100": 2}}, {"vision": {"h100": 3}})
    assert change.sentence == "If the quota of project vision for h100 allowed 3 GPUs instead of 2, it would start now."
    assert starts_with(snap, 1, change.after)
    assert not starts_with(snap, 1, {"vision": {"h100": 2}})


def test_each_level_is_raised_and_whoever_stands_before_it_gets_of_it_first():
    tree = (limited("team", gpu_models=(("h100", 1),)), limited("vision", parent="team", gpu_models=(("h100", 0),)))
    snap = world(asks(1, gpus=1, model="h100"), asks(2, gpus=2, model="h100"), projects=tree)
    [change] = offered(snap, 2)
    assert change.after == {"team": {"h100": 3}, "vision": {"h100": 3}}
    assert starts_with(snap, 2, change.after)


def test_none_is_offered_where_something_else_keeps_the_job_too():
    tree = (limited(gpus=1, gpu_models=(("h100", 1),)),)
    assert offered(world(asks(1, gpus=2, model="h100"), projects=tree), 1) == []
