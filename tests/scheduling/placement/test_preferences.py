"""What each placement strategy prefers."""

import pytest

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement import strategy
from scheduling.placement.base import Scope
from scheduling.placement.scores import WeightedScore
from scheduling.placement.selector import AUTO
from scheduling.resources import Request, Resources
from scheduling.rules import PlacementWeights
from scheduling.snapshot import Allocation, Snapshot
from tests.scheduling.builders import cpu_node, gpu_node, running, share, waiting


def place(name, request, *nodes, held=(), near=()):
    return names(strategy(name).place(request, FreeNodes(nodes, held), near=near))


def names(shares):
    return [one.node for one in shares] if shares else None


def test_first_fit_goes_by_name():
    assert place("first_fit", Request(cpus=8), cpu_node("b", cpus=8), cpu_node("c"), cpu_node("a", cpus=4)) == ["b"]


def test_spread_goes_where_the_fewest_jobs_are_then_where_most_is_free():
    held = (running(1, share("a"), share("b")),)
    nodes = (cpu_node("a", cpus=64), cpu_node("b"), cpu_node("c", cpus=2), cpu_node("d", cpus=4))

    assert place("spread", Request(), *nodes, held=held) == ["d"]
    assert place("spread", Request(nodes=4), *nodes, held=held) == ["d", "c", "a", "b"]


def test_least_loaded_goes_by_the_busiest_resource_not_by_the_number_of_jobs():
    many_small = [running(number, share("a")) for number in range(10)]
    nodes = (cpu_node("a", cpus=64), cpu_node("b", cpus=16))

    assert place("least_loaded", Request(), *nodes, held=(*many_small, running(50, share("b", cpus=4)))) == ["a"]
    assert place("least_loaded", Request(), *nodes, held=(running(50, share("a", cpus=32)),)) == ["b"]


def test_least_loaded_counts_gpus_and_memory_too():
    held = (running(1, share("a", gpu_indices=(0, 1, 2))), running(2, share("b", memory_mb=500_000)))

    assert place("least_loaded", Request(gpus=1), gpu_node("a"), gpu_node("b"), gpu_node("c"), held=held) == ["c"]
    assert place("least_loaded", Request(gpus=1), gpu_node("a"), gpu_node("b"), held=held) == ["a"]


def test_affinity_goes_to_the_data_and_without_room_there_packs():
    nodes = (cpu_node("a", cpus=2), cpu_node("b"), cpu_node("c", cpus=8))

    assert place("affinity", Request(), *nodes, near=("gone", "c", "b")) == ["c"]
    assert place("affinity", Request(cpus=9), *nodes, near=("c", "b")) == ["b"]
    assert place("affinity", Request(nodes=3), *nodes, near=("b",)) == ["b", "a", "c"]
    assert place("affinity", Request(), *nodes) == ["a"]


def test_fgd_keeps_whole_gpus_for_the_jobs_that_need_them():
    """Both nodes have room; on a the part leaves no GPU for jobs that want a whole one, on b it costs none."""
    free = FreeNodes([gpu_node("a", 1), gpu_node("b", 2)])
    free.allocate(Allocation("b", Resources(gpu_milli=500), (0,)), holder=1)

    assert names(strategy("fgd").place(Request(gpus=1, gpu_milli=500), free)) == ["b"]


def test_fgd_learns_from_the_snapshot_which_jobs_are_usual():
    """Where jobs with 16 CPUs and a GPU are usual, a job without a GPU must not take the CPUs beside the last GPU."""
    nodes = (gpu_node("a", 1, cpus=16), gpu_node("b", 8, cpus=32))
    held = (running(1, share("b", gpu_indices=tuple(range(8)))),)
    usual = Snapshot(tuple(waiting(request=Request(cpus=16, gpus=1)) for _ in range(9)))
    asked = Request(cpus=2)

    assert names(strategy("fgd").prepare(usual).place(asked, FreeNodes(nodes, held))) == ["b"]
    assert place("best_fit", asked, *nodes) == ["a"]


def test_fgd_without_any_job_that_wants_gpus_takes_what_is_usual_elsewhere():
    assert strategy("fgd").prepare(Snapshot((waiting(),))) is strategy("fgd")


@pytest.mark.parametrize(
    ("label", "better", "worse"),
    [("speed", "2", "1"), ("price_per_hour", "0.9", "1.2"), ("failures", "0", "3"), ("latency_ms", "1", "90")],
)
def test_weighted_prefers_the_faster_cheaper_more_reliable_nearer_node(label, better, worse):
    nodes = (cpu_node("a", labels={label: worse}), cpu_node("b", labels={label: better}))

    assert place("weighted", Request(), *nodes) == ["b"]


def test_weighted_takes_what_is_not_said_as_halfway():
    nodes = (cpu_node("a", labels={"speed": "fast"}), cpu_node("b", labels={"speed": "1"}))
    fast = cpu_node("c", labels={"speed": "3"})

    assert place("weighted", Request(nodes=3), *nodes, fast) == ["c", "a", "b"]


def test_a_weight_of_nought_leaves_a_criterion_out():
    free = FreeNodes([cpu_node("a", labels={"speed": "1"}), cpu_node("b", labels={"speed": "2"})])

    assert names(WeightedScore(PlacementWeights(speed=0)).place(Request(), free)) == ["a"]


@pytest.mark.parametrize(
    ("request_", "near", "shared", "chosen"),
    [
        (Request(gpus=1), ("a",), False, "affinity"),
        (Request(gpus=1), ("gone",), False, "best_fit"),
        (Request(gpus=1, gpu_milli=500), (), False, "fgd"),
        (Request(gpus=1), (), True, "fgd"),
        (Request(gpus=1, nodes=2), (), True, "best_fit"),
        (Request(), (), True, "best_fit"),
    ],
)
def test_auto_chooses_by_what_the_job_is_and_how_gpus_are_used(request_, near, shared, chosen):
    free = FreeNodes([gpu_node("a")])
    if shared:
        free.allocate(Allocation("a", Resources(gpu_milli=500), (0,)), holder=1)

    assert AUTO.prepare(Snapshot()).choose(request_, Scope(free, near)).strategy.name == chosen
