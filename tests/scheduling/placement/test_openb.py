"""The experiment on a real fleet: what comes, and that the trace gives the published picture."""

import pytest

from benchmarks import openb_placement as openb
from scheduling.resources import Request

needs_trace = pytest.mark.skipif(
    not (openb.TRACES / "openb_2023.csv.gz").exists(), reason=f"there is no openb trace in {openb.TRACES}"
)


def row(gpus, cpus="3.152", mem_gb="5.469"):
    return {"gpus": gpus, "cpus": cpus, "mem_gb": mem_gb}


@pytest.mark.parametrize(
    ("gpus", "request_"),
    [
        ("0.46", Request(3152, 5600, 1, gpu_milli=460)),
        ("1.0", Request(3152, 5600, 1)),
        ("8.0", Request(3152, 5600, 8)),
        ("0.0", Request(3152, 5600)),
    ],
)
def test_a_pod_asks_for_whole_gpus_or_for_a_part_of_one(gpus, request_):
    assert openb.pod(row(gpus)) == request_


def test_every_pod_comes_once_then_random_ones_until_they_ask_for_thirty_per_cent_more_than_there_is():
    known = [Request(gpus=1), Request(gpus=2), Request(gpus=1, gpu_milli=500)]

    came = list(openb.arrivals(known, 10_000, seed=1))

    assert sorted(map(repr, came[:3])) == sorted(map(repr, known))
    assert 13_000 <= sum(one.amount.all_gpu_milli for one in came) < 15_000
    assert came == list(openb.arrivals(known, 10_000, seed=1))
    assert came != list(openb.arrivals(known, 10_000, seed=2))


@needs_trace
def test_the_trace_is_the_one_of_the_paper():
    nodes, pods = openb.fleet(openb.TRACES / "openb_2023_nodes.csv"), openb.pods(openb.TRACES / "openb_2023.csv.gz")

    assert (len(nodes), sum(len(node.gpus) for node in nodes), len(pods)) == (1_213, 6_212, 8_152)


@needs_trace
def test_packing_a_tenth_of_the_fleet_gives_away_more_than_nine_tenths_of_it():
    nodes = openb.fleet(openb.TRACES / "openb_2023_nodes.csv")[::10]
    pods = openb.pods(openb.TRACES / "openb_2023.csv.gz")[::10]

    assert openb.fill("best_fit", nodes, pods, seed=0).percent > 90
