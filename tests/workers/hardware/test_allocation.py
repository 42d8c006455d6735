"""What a batch job of Slurm was given, by the variables that Slurm sets; as two releases set them."""

import math

import pytest

from workers.hardware import allocation
from workers.hardware.inventory import inventory

GIVEN = {"SLURM_JOB_ID": "17", "SLURM_CPUS_ON_NODE": "4", "SLURM_MEM_PER_NODE": "3000"}


def test_a_process_outside_of_any_job_was_given_nothing_and_may_use_all():
    assert allocation.of_slurm({"SLURM_CONF": "/etc/slurm/slurm.conf", "CUDA_VISIBLE_DEVICES": "0"}) is None


def test_a_job_has_the_processors_memory_and_gpus_of_its_part_and_an_end():
    given = {**GIVEN, "CUDA_VISIBLE_DEVICES": "2,3", "SLURM_JOB_GPUS": "2,3", "SLURM_JOB_END_TIME": "1796153812"}
    assert allocation.of_slurm(given) == (4, 3000, "2,3", 1796153812)


def test_what_slurm_does_not_say_is_not_limited_but_for_gpus():
    assert allocation.of_slurm({"SLURM_JOB_ID": "17"}) == (math.inf, math.inf, "", math.inf)


@pytest.mark.parametrize(
    ("said", "memory_mb"),
    [
        ({"SLURM_MEM_PER_CPU": "500"}, 2000),
        ({"SLURM_MEM_PER_NODE": "0"}, math.inf),  # `--mem=0`: all that there is
        ({}, math.inf),
    ],
)
def test_memory_is_told_by_node_or_by_processor(said, memory_mb):
    given = allocation.of_slurm({"SLURM_JOB_ID": "17", "SLURM_CPUS_ON_NODE": "4", **said})
    assert given is not None
    assert given.memory_mb == memory_mb


@pytest.mark.parametrize(
    ("said", "gpus"),
    [
        ({"SLURM_JOB_GPUS": "0,1"}, "0,1"),
        ({"SLURM_JOB_GPUS": "0,1", "SLURM_STEP_GPUS": "1"}, "1"),
        (
            {"SLURM_JOB_GPUS": "4,5", "CUDA_VISIBLE_DEVICES": "0,1"},
            "0,1",
        ),  # by devices that are fenced: as CUDA counts them
    ],
)
def test_gpus_are_those_that_cuda_would_show(said, gpus):
    given = allocation.of_slurm({**GIVEN, **said})
    assert given is not None
    assert given.gpus == gpus


def test_an_agent_in_a_job_offers_its_part_of_the_machine(monkeypatch):
    asked: list[str | None] = []

    def detected(visible: str | None) -> tuple[()]:
        asked.append(visible)
        return ()

    monkeypatch.setattr("workers.hardware.inventory.detect_gpus", detected)
    for name, value in {**GIVEN, "SLURM_CPUS_ON_NODE": "1", "SLURM_MEM_PER_NODE": "200"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    hardware = inventory()
    assert (hardware.cpus, hardware.memory_mb, asked) == (1, 200, [""])
