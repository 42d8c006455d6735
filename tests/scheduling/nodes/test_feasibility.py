"""Which nodes can take a request at all."""

import pytest

from scheduling.nodes.feasibility import could_hold, suits, takes_jobs
from scheduling.resources import Request
from scheduling.snapshot import Gpu
from tests.scheduling.builders import H100, T4, cpu_node, gpu_node, gpus


@pytest.mark.parametrize(
    ("state", "alive", "takes"),
    [("up", True, True), ("up", False, False), ("draining", True, False), ("down", True, False)],
)
def test_only_a_node_that_is_up_and_alive_takes_jobs(state, alive, takes):
    assert takes_jobs(cpu_node(state=state, alive=alive)) == takes


@pytest.mark.parametrize(
    ("model", "fits"),
    [
        ("", True),
        ("h100", True),
        ("H100", True),
        ("NVIDIA H100 80GB HBM3", True),
        ("80gb", False),
        ("h10", False),
        ("a100", False),
    ],
)
def test_a_model_is_named_whole_in_any_case(model, fits):
    assert suits(Request(gpus=1, gpu_model=model), Gpu(0, H100, 81_559)) == fits


@pytest.mark.parametrize(("memory_mb", "fits"), [(0, True), (15_360, True), (15_361, False)])
def test_each_gpu_has_at_least_the_memory_asked_for(memory_mb, fits):
    assert suits(Request(gpus=1, gpu_memory_mb=memory_mb), Gpu(0, T4, 15_360)) == fits


MIXED = gpu_node(cpus=8, memory_mb=100, gpus=gpus(2) + gpus(4, model=T4, memory_mb=15_360, first=2))


@pytest.mark.parametrize(
    ("request_", "could"),
    [
        (Request(cpus=8, memory_mb=100, gpus=6), True),
        (Request(gpus=7), False),
        (Request(gpus=2, gpu_model="h100"), True),
        (Request(gpus=3, gpu_model="h100"), False),
        (Request(gpus=3, gpu_memory_mb=16_000), False),
        (Request(cpus=9), False),
        (Request(memory_mb=101), False),
    ],
)
def test_a_node_could_hold_what_it_has_when_empty(request_, could):
    assert could_hold(request_, MIXED) == could


def test_a_node_without_the_labels_could_not_hold_a_job_that_needs_them():
    near = cpu_node(labels={"zone": "a"})

    assert could_hold(Request(labels=(("zone", "a"),)), near)
    assert not could_hold(Request(labels=(("zone", "b"),)), near)
    assert not could_hold(Request(labels=(("zone", "a"),)), cpu_node())
