"""Where a request goes, and which GPUs it gets."""

import pytest

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.resources import Request, Resources
from scheduling.snapshot import Allocation
from tests.scheduling.builders import T4, best_fit, cpu_node, gpu_node, gpus, running, share


def place(request, *nodes, held=()):
    found = best_fit(request, FreeNodes(nodes, held))
    return (found.node, found.gpu_indices) if found else None


def test_the_fullest_node_that_fits_is_filled_up():
    nodes = (gpu_node("a", 8), gpu_node("b", 4), gpu_node("c", 2))

    assert place(Request(gpus=3), *nodes) == ("b", (0, 1, 2))


def test_what_runs_makes_a_node_fuller():
    held = (running(1, share("b", gpu_indices=(0, 1, 2, 3, 4))),)

    assert place(Request(gpus=2), gpu_node("a"), gpu_node("b"), held=held) == ("b", (5, 6))


def test_of_equal_nodes_the_first_by_name_is_taken():
    assert place(Request(), cpu_node("b"), cpu_node("a")) == ("a", ())


def test_fewer_cpus_left_decides_between_nodes_without_gpus():
    assert place(Request(cpus=4), cpu_node("a", cpus=64), cpu_node("b", cpus=8)) == ("b", ())


def test_cpu_jobs_leave_gpu_nodes_to_gpu_jobs():
    assert place(Request(), gpu_node("a", cpus=2), cpu_node("b", cpus=64)) == ("b", ())


def test_cpu_jobs_leave_gpu_nodes_alone_even_where_all_gpus_are_taken():
    held = (running(1, share("a", cpus=60, gpu_indices=tuple(range(8)))),)

    assert place(Request(), gpu_node("a"), cpu_node("b"), held=held) == ("b", ())


def test_a_cpu_job_uses_a_gpu_node_when_no_other_fits():
    assert place(Request(cpus=32), gpu_node("a"), cpu_node("b", cpus=16)) == ("a", ())


def test_a_cpu_job_on_gpu_nodes_goes_where_the_gpus_are_taken():
    held = (running(1, share("b", gpu_indices=tuple(range(8)))),)

    assert place(Request(), gpu_node("a"), gpu_node("b"), held=held) == ("b", ())


def test_of_nodes_with_as_many_free_gpus_the_smaller_gpus_are_taken():
    small = gpu_node("z", gpus=gpus(8, model=T4, memory_mb=15_360))

    assert place(Request(gpus=1), gpu_node("a"), small) == ("z", (0,))


@pytest.mark.parametrize(
    ("request_", "indices"),
    [
        (Request(gpus=1), (2,)),
        (Request(gpus=3), (0, 2, 3)),
        (Request(gpus=1, gpu_memory_mb=20_000), (0,)),
        (Request(gpus=1, gpu_model="h100"), (0,)),
        (Request(gpus=3, gpu_model="h100"), None),
    ],
)
def test_a_mixed_node_gives_its_smallest_sufficient_gpus_first(request_, indices):
    mixed = gpu_node("a", gpus=gpus(2) + gpus(2, model=T4, memory_mb=15_360, first=2))

    assert place(request_, mixed) == (None if indices is None else ("a", indices))


@pytest.mark.parametrize(
    "request_",
    [
        Request(cpus=17),
        Request(memory_mb=65_537),
        Request(gpus=3),
        Request(gpus=1, gpu_model="h100"),
        Request(gpus=1, gpu_memory_mb=16_000),
    ],
)
def test_what_fits_nowhere_is_not_placed(request_):
    t4s = gpu_node("a", cpus=16, memory_mb=65_536, gpus=gpus(2, model=T4, memory_mb=15_360))

    assert place(request_, cpu_node("b"), t4s) is None


def test_a_node_with_gpus_but_no_cpus_left_is_passed_over():
    held = (running(1, share("a", cpus=64, gpu_indices=(0,))),)

    assert place(Request(cpus=2, gpus=2), gpu_node("a"), gpu_node("b"), held=held) == ("b", (0, 1))


def test_a_part_of_a_gpu_comes_from_the_gpu_of_which_least_is_left():
    free = FreeNodes([gpu_node("a", 3)])
    for holder, (index, milli) in enumerate([(0, 300), (1, 600)]):
        free.allocate(Allocation("a", Resources(gpu_milli=milli), (index,)), holder=holder)

    assert best_fit(Request(gpus=1, gpu_milli=400), free).gpu_indices == (1,)
    assert best_fit(Request(gpus=1, gpu_milli=500), free).gpu_indices == (0,)
    assert best_fit(Request(gpus=1, gpu_milli=800), free).gpu_indices == (2,)


def test_of_nodes_with_as_many_whole_gpus_the_one_with_less_left_of_others_is_taken():
    free = FreeNodes([gpu_node("a", 2), gpu_node("b", 2)])
    free.allocate(Allocation("a", Resources(gpu_milli=300), (0,)), holder=1)
    free.allocate(Allocation("b", Resources(gpu_milli=700), (0,)), holder=2)

    assert best_fit(Request(gpus=1), free).node == "b"
