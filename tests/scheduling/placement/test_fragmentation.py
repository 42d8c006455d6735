"""How much of the free GPUs is useless for usual jobs."""

import pytest

from scheduling.nodes.free_nodes import FreeNodes
from scheduling.placement.fragmentation import Fragmentation
from scheduling.placement.workload import Workload, usual
from scheduling.resources import Request, Resources
from scheduling.snapshot import Allocation
from tests.scheduling.builders import gpu_node, gpus


def fragments(request, *parts, **node):
    """Of a node with two GPUs of which such parts are taken, for one usual job."""
    free = FreeNodes([gpu_node("a", 2, **node)])
    for index, milli in enumerate(parts):
        free.allocate(Allocation("a", Resources(gpu_milli=milli), (index,)), holder=index)
    return Fragmentation(Workload((request,), (3,))).of(free.nodes[0])


@pytest.mark.parametrize(
    ("request_", "parts", "expected"),
    [
        (Request(gpus=1), (), 0),
        (Request(gpus=1), (400,), 600),
        (Request(gpus=2), (400,), 1600),
        (Request(gpus=1, gpu_milli=500), (400, 700), 300),
        (Request(gpus=1, cpus=65), (), 2000),
        (Request(gpus=1, memory_mb=10**6), (), 2000),
        (Request(gpus=1, gpu_model="a100"), (), 2000),
        (Request(), (), 2000),
    ],
)
def test_what_is_free_is_a_fragment_for_a_job_that_cannot_use_it(request_, parts, expected):
    assert fragments(request_, *parts) == expected


def test_only_the_gpus_that_suit_are_of_use_on_a_mixed_node():
    mixed = gpus(1) + gpus(1, model="T4", memory_mb=15_360, first=1)

    assert fragments(Request(gpus=1, gpu_memory_mb=40_000), gpus=mixed) == 1000


def test_usual_are_the_shapes_that_make_up_most_jobs_each_member_of_a_gang_counted():
    many, few, gang = Request(gpus=1), Request(gpus=2), Request(gpus=8, nodes=4)

    found = usual([few, gang, *[many] * 94])

    assert found == Workload((many, Request(gpus=8)), (94, 4))


def test_what_is_usual_does_not_hang_on_the_order_of_the_jobs():
    asked = [Request(cpus=number) for number in range(1, 31)]

    assert usual(asked) == usual(asked[::-1])
