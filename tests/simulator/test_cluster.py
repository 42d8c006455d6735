"""Machines, and what a job of a trace asks of them."""

import pytest

from simulator.cluster import nodes_of, pool, read_nodes
from simulator.trace import SimulationError, TraceError, TraceJob
from tests.simulator.builders import job


def asked(cluster, **size):
    request = cluster.request(TraceJob("a", 2, 0, 10, 10, **size))
    return (request.nodes, request.cpus, request.gpus)


def test_a_pool_is_one_node_and_a_job_takes_its_width():
    assert asked(pool(100), cpus=30) == (1, 30, 0)
    assert asked(pool(100), gpus=30) == (1, 30, 0)


def test_nodes_have_the_size_of_their_shape():
    cluster = nodes_of("2x64x8,1x128x0")

    assert [(node.cpus, len(node.gpus)) for node in cluster.nodes] == [(64, 8), (64, 8), (128, 0)]
    assert (cluster.unit, cluster.size) == ("gpus", 16)


def test_a_job_wider_than_a_node_is_a_gang_of_equal_shares():
    assert asked(nodes_of("4x64x8"), cpus=60, gpus=20) == (3, 20, 7)
    assert asked(nodes_of("4x64x8"), cpus=64, gpus=8) == (1, 64, 8)


def test_a_job_that_names_its_nodes_is_spread_over_them():
    assert asked(nodes_of("4x64x8"), cpus=8, gpus=4, nodes=2) == (2, 4, 2)


def test_a_part_of_a_gpu_stays_a_part():
    cluster = nodes_of("1x64x8")
    request = cluster.request(TraceJob("a", 2, 0, 10, 10, cpus=1, gpus=1, gpu_milli=250))

    assert (request.gpus, request.gpu_milli, cluster.width(request)) == (1, 250, 0.25)


@pytest.mark.parametrize(("cluster", "size"), [(pool(8), {"width": 9}), (nodes_of("1x8x0"), {"width": 9})])
def test_a_job_that_can_never_start_is_refused_with_its_line(cluster, size):
    with pytest.raises(TraceError, match=r"kth.swf, line 4: job 3 can never start: it asks for 9"):
        cluster.requests([job(3, 0, 10, **size)], "kth.swf")


@pytest.mark.parametrize("shape", ["8", "2x4", "axbxc", "2x4x-1", "0x4x4", ""])
def test_a_shape_that_is_none_is_refused(shape):
    with pytest.raises(SimulationError):
        nodes_of(shape)


def test_an_empty_pool_is_refused():
    with pytest.raises(SimulationError, match="give 1 or more"):
        pool(0)


def test_nodes_are_read_from_a_file(tmp_path):
    path = tmp_path / "nodes.csv"
    path.write_text("node,count,gpus,cpus,mem_gb,model\nbig,2,8,96,768,h100\nsmall,1,0,32,,\n")

    cluster = read_nodes(path)

    assert [node.name for node in cluster.nodes] == ["big-0001", "big-0002", "small"]
    assert (cluster.nodes[0].memory_mb, cluster.nodes[0].gpus[0].model) == (768 * 1024, "h100")
    assert cluster.nodes[2].memory_mb > 10**9


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name\nx\n", "line 1: has no column node"),
        ("node,gpus\nx,many\n", "line 2: gpus is 'many'"),
        ("node,count,cpus\nx,1,4\nx,1,4\n", "names a node twice"),
        ("node,gpus\n", "names no node"),
    ],
)
def test_a_file_of_nodes_that_cannot_be_understood_is_refused(tmp_path, text, said):
    path = tmp_path / "nodes.csv"
    path.write_text(text)

    with pytest.raises(SimulationError, match=said):
        read_nodes(path)
