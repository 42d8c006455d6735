"""A model's name means that model, as whoever wrote it calls it; never one whose name begins alike."""

import pytest

from scheduling.gpu_models import matches, named
from scheduling.planning.plan import make_plan
from scheduling.resources import Request
from scheduling.snapshot import Gpu
from tests.scheduling.builders import gpu_node, snapshot, waiting

REPORTED = [
    "NVIDIA H100 80GB HBM3", "NVIDIA H100 PCIe", "NVIDIA H100 NVL", "NVIDIA H200", "NVIDIA GH200 480GB", "NVIDIA B200", "NVIDIA GB200", "NVIDIA H20",
    "NVIDIA A100-SXM4-80GB", "NVIDIA A100-PCIE-40GB", "NVIDIA A10", "NVIDIA A10G", "NVIDIA A16", "NVIDIA A30", "NVIDIA A40", "NVIDIA A2",
    "NVIDIA L4", "NVIDIA L40", "NVIDIA L40S", "NVIDIA L20", "NVIDIA L2", "Tesla T4", "Tesla V100-SXM2-16GB", "Tesla V100S-PCIE-32GB", "Tesla P4", "Tesla P40", "Tesla P100-PCIE-16GB",
    "NVIDIA RTX A6000", "NVIDIA RTX A4000", "NVIDIA RTX 6000 Ada Generation", "Quadro RTX 6000", "Quadro RTX 8000", "NVIDIA GeForce RTX 3090",
    "NVIDIA GeForce RTX 3090 Ti", "NVIDIA GeForce RTX 4090", "NVIDIA GeForce RTX 4090 Laptop GPU", "NVIDIA TITAN RTX", "NVIDIA TITAN V",
    "AMD Instinct MI250X", "AMD Instinct MI300X", "AMD Instinct MI300A", "Simulated GPU",
]  # fmt: skip
"""Names as drivers report them."""


@pytest.mark.parametrize(
    "names",
    [
        ("h100", "NVIDIA H100 80GB HBM3"),
        ("H100-SXM", "NVIDIA H100 80GB HBM3"),
        ("H100-SXM5", "NVIDIA H100 SXM5 80GB"),
        ("NVIDIA H100 80GB HBM3", "NVIDIA H100 80GB HBM3"),
        ("H100", "NVIDIA H100 PCIe"),
        ("H100-PCIe", "NVIDIA H100 PCIe"),
        ("T4", "Tesla T4"),
        ("tesla_t4", "Tesla T4"),
        ("nvidia-tesla-t4", "Tesla T4"),
        ("RTX4090", "NVIDIA GeForce RTX 4090"),
        ("4090", "NVIDIA GeForce RTX 4090"),
        ("rtx 4090", "NVIDIA GeForce RTX 4090"),
        ("nvidia_geforce_rtx_4090", "NVIDIA GeForce RTX 4090"),
        ("a6000", "NVIDIA RTX A6000"),
        ("RTX A6000", "NVIDIA RTX A6000"),
        ("RTX6000-Ada", "NVIDIA RTX 6000 Ada Generation"),
        ("A100-80GB", "NVIDIA A100-SXM4-80GB"),
        ("a100", "NVIDIA A100-PCIE-40GB"),
        ("V100", "Tesla V100-SXM2-16GB"),
        ("V100-32GB", "Tesla V100-PCIE-32GB"),
        ("nvidia-h200-141gb", "NVIDIA H200", 143771),
        ("A100,H100", "NVIDIA H100 80GB HBM3"),
        ("*A100*", "NVIDIA A100-SXM4-80GB"),
        ("h100*", "NVIDIA H100 80GB HBM3"),
        ("MI300X", "AMD Instinct MI300X"),
        ("H100 NVL", "NVIDIA H100 NVL"),
        ("GH200", "NVIDIA GH200 480GB"),
        ("H100 80 GB", "NVIDIA H100 80GB HBM3"),
        ("A10G", "NVIDIA A10G"),
        ("l4", "NVIDIA L4"),
        ("Simulated GPU", "Simulated GPU"),
        ("simulated", "Simulated GPU"),
        ("T4-16GB", "Tesla T4", 15360),
    ],
)
def test_a_model_is_found_under_the_names_that_the_field_has_for_it(names):
    assert matches(*names)


@pytest.mark.parametrize(
    "names",
    [
        ("A10", "NVIDIA A100-SXM4-80GB"),
        ("L4", "NVIDIA L40S"),
        ("L40", "NVIDIA L40S"),
        ("NVIDIA L4", "NVIDIA L40S"),
        ("H20", "NVIDIA H200"),
        ("B200", "NVIDIA GB200"),
        ("A10", "NVIDIA A10G"),
        ("A100-80GB", "NVIDIA A100-PCIE-40GB"),
        ("A100-PCIe", "NVIDIA A100-SXM4-80GB"),
        ("H100-SXM", "NVIDIA H100 PCIe"),
        ("H100-NVL", "NVIDIA H100 80GB HBM3"),
        ("RTX 3090", "NVIDIA GeForce RTX 3090 Ti"),
        ("RTX 6000", "NVIDIA RTX 6000 Ada Generation"),
        ("RTX 4090", "NVIDIA GeForce RTX 4090 Laptop GPU"),
        ("100", "NVIDIA A100"),
        ("NVIDIA", "NVIDIA A100-SXM4-80GB"),
        ("A100", "NVIDIA A100-SXM4-80GB MIG 3g.40gb"),
        ("V100", "Tesla V100S-PCIE-32GB"),
        ("h100*x", "NVIDIA H100 80GB HBM3"),
        ("H200", "NVIDIA GH200 480GB"),
        ("gpu", "Tesla T4"),
        ("80GB", "NVIDIA A100-SXM4-80GB"),
        ("RTX", "NVIDIA GeForce RTX 4090"),
        ("SXM", "NVIDIA A100-SXM4-80GB"),
        ("P4", "Tesla P40"),
    ],
)
def test_another_model_is_not_taken_for_it(names):
    assert not matches(*names)


@pytest.mark.parametrize("asked", REPORTED)
def test_a_whole_reported_name_means_no_other_model(asked):
    assert [one for one in REPORTED if matches(asked, one, 81_559)] == [asked]


def test_several_may_be_named():
    assert named(" A100, H100 ,,") == ("A100", "H100")
    assert not matches("A100, H100", "NVIDIA H200")


def test_the_planner_gives_no_gpu_whose_name_only_begins_alike():
    world = snapshot(
        waiting(1, request=Request(gpus=1, gpu_model="L4")), nodes=(gpu_node(gpus=(Gpu(0, "NVIDIA L40S", 46_068),)),)
    )

    assert not make_plan(world, 10.0).placements
