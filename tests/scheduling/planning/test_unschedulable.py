"""What a job that fits nowhere is told."""

from dataclasses import replace

import pytest

from scheduling.executors import ClusterView
from scheduling.memory_units import gpu_megabytes
from scheduling.nodes.free_nodes import FreeNodes
from scheduling.planning.unschedulable import Explanations
from scheduling.resources import Request
from scheduling.snapshot import Snapshot
from tests.scheduling.builders import T4, cpu_node, gpu_node, gpus, running, share


def why(request, *nodes, held=()):
    (reason,) = Explanations(FreeNodes(nodes, held)).why_nowhere(request)
    return reason


BUSY = (
    running(11, share("gpu-1", cpus=56, memory_mb=1024, gpu_indices=(0, 1, 2, 3, 4, 5, 6))),
    running(12, share("gpu-2", cpus=8, memory_mb=520_192, gpu_indices=tuple(range(8)))),
)
TWO = (gpu_node("gpu-1"), gpu_node("gpu-2"))


def test_no_node_is_up():
    assert why(Request(), gpu_node(state="down")).code == "no_node"


def test_the_hardware_is_on_no_node_that_is_up():
    reason = why(Request(gpus=1), cpu_node("cpu-1"), gpu_node("gpu-1", state="draining"))

    assert (reason.code, reason.sentence) == ("hardware", "Needs 1 GPU; no node that is up has any.")
    assert reason.shortfall == {"gpus": 1}


@pytest.mark.parametrize(
    ("request_", "sentence", "shortfall"),
    [
        (Request(gpus=2), "Needs 2 GPUs; node gpu-1 has the most free: 1 of 8.", {"gpus": 1}),
        (
            Request(gpus=2, gpu_model="h100", gpu_memory_mb=gpu_megabytes(40)),
            "Needs 2 GPUs of model h100 with 40 GB each; node gpu-1 has the most free: 1 of 8.",
            {"gpus": 1},
        ),
        (
            Request(gpus=2, cpus=16, memory_mb=1024),
            (
                "Needs 2 GPUs, 16 CPUs and 1 GB of memory on one node; "
                "node gpu-1 comes closest, with 1 of 8 GPUs and 8 of 64 CPUs free."
            ),
            {"gpus": 1, "cpus": 8},
        ),
        (
            Request(gpus=1, cpus=16),
            "Needs 1 GPU and 16 CPUs on one node; node gpu-1 comes closest, with 8 of 64 CPUs free.",
            {"cpus": 8},
        ),
        (Request(cpus=60), "Needs 60 CPUs; node gpu-2 has the most free: 56 of 64.", {"cpus": 4}),
        (
            Request(cpus=10, memory_mb=524_288),
            (
                "Needs 10 CPUs and 512 GB of memory on one node; "
                "node gpu-2 comes closest, with 4 GB of 512 GB of memory free."
            ),
            {"memory_mb": 520_192},
        ),
    ],
)
def test_what_is_taken_is_told_of_the_node_that_comes_closest(request_, sentence, shortfall):
    reason = why(request_, *TWO, held=BUSY)

    assert (reason.code, reason.sentence, reason.shortfall) == ("resources", sentence, shortfall)


def test_the_holders_on_that_node_are_named_and_no_others():
    assert why(Request(gpus=2), *TWO, held=BUSY).held_by == (11,)


def test_at_most_ten_holders_are_named():
    held = tuple(running(number, share("cpu-1")) for number in range(1, 17))

    assert why(Request(), cpu_node("cpu-1"), held=held).held_by == tuple(range(1, 11))


def test_a_node_too_small_for_the_job_does_not_count_however_free_it_is():
    held = (running(1, share("large", cpus=64)),)

    reason = why(Request(cpus=32), cpu_node("large", cpus=64), cpu_node("small", cpus=16), held=held)

    assert reason.sentence == "Needs 32 CPUs; node large has the most free: 0 of 64."


def test_only_gpus_that_suit_are_counted():
    mixed = gpu_node("gpu-1", gpus=gpus(2) + gpus(6, model=T4, memory_mb=15_360, first=2))
    held = (running(1, share("gpu-1", gpu_indices=(0,))),)

    reason = why(Request(gpus=2, gpu_model="h100"), mixed, held=held)

    assert reason.sentence == "Needs 2 GPUs of model h100; node gpu-1 has the most free: 1 of 2."


def test_two_parts_that_no_node_has_are_two_reasons():
    reasons = Explanations(FreeNodes(TWO)).why_nowhere(Request(gpus=9, cpus=65))

    assert [reason.shortfall for reason in reasons] == [{"gpus": 1}, {"cpus": 1}]


def test_the_same_request_is_explained_once():
    explanations = Explanations(FreeNodes(TWO, BUSY))

    assert explanations.why_nowhere(Request(gpus=2)) is explanations.why_nowhere(Request(gpus=2))


def test_mixed_nodes_are_compared_by_the_gpus_that_suit():
    """The node with more GPUs free has fewer of those asked for: it must not hide the other one."""
    mostly_t4 = gpu_node("a", gpus=gpus(1) + gpus(7, model=T4, memory_mb=15_360, first=1))
    mostly_h100 = gpu_node("b", gpus=gpus(3) + gpus(1, model=T4, memory_mb=15_360, first=3))
    held = (running(1, share("b", gpu_indices=(0,))),)

    reason = why(Request(gpus=3, gpu_model="h100"), mostly_t4, mostly_h100, held=held)

    assert reason.sentence == "Needs 3 GPUs of model h100; node b has the most free: 2 of 3."


def test_no_node_has_the_labels_or_those_that_have_them_are_taken():
    near = cpu_node("cpu-1", cpus=4, labels={"zone": "a"})
    held = (running(7, share("cpu-1", cpus=4)),)
    asked = Request(labels=(("zone", "a"),))

    assert (
        why(asked, cpu_node("cpu-2")).sentence == "Needs a node with the label zone=a; no node that is up is like that."
    )
    assert why(asked, cpu_node("cpu-2"), near, held=held).sentence.startswith(
        "Needs 1 CPU; node cpu-1 has the most free"
    )


def test_only_a_cluster_that_does_not_answer_could_run_it():
    silent = replace(gpu_node("ml-1"), alive=False, executor="kubernetes", cluster="ml")
    nodes = (cpu_node("cpu-1"), silent)
    snapshot = Snapshot(nodes=nodes, silent_clusters=(ClusterView("ml", "kubernetes", 0.0, "connection refused"),))
    told = Explanations(FreeNodes(nodes), snapshot)

    (reason,) = told.why_nowhere(Request(gpus=1))
    sentence = "Cluster ml has not answered since 1970-01-01 00:00 UTC: connection refused. What runs there runs on."
    assert (reason.code, reason.sentence) == ("cluster", sentence)
    assert told.why_nowhere(Request(cpus=1_000))[0].code == "hardware"
    assert told.why_nowhere(Request(executor="ml"))[0].code == "cluster"
    assert (
        told.why_nowhere(Request(executor="slurm"))[0].sentence
        == "Asks for executor slurm; no node that is up is run by that."
    )
