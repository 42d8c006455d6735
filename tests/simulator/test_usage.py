"""Who has used how much in a replay."""

import pytest

from scheduling.resources import Resources
from scheduling.rules import Rules
from scheduling.snapshot import Allocation, RunningJob
from simulator.usage import Usage


@pytest.mark.parametrize(
    ("held", "gpu_seconds"),
    [
        (Resources(2, gpus=1), 100),
        (Resources(4), 50),
        (Resources(1, gpu_milli=600), 60),
        (Resources(8, gpu_milli=600), 100),
    ],
)
def test_what_a_job_holds_counts_in_gpus_and_their_parts_or_in_eights_of_cpus(held, gpu_seconds):
    job = RunningJob(1, "vision", "default", 50, (Allocation("a", held),), started_at=0.0)

    (used,) = Usage(Rules(policy="fairshare")).at(100.0, [job])

    assert used.used == pytest.approx(gpu_seconds)
