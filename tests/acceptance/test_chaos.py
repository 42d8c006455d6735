"""A short fault drill, as `make chaos` runs a long one: every kind of job, faults of many kinds, and nothing wrong afterwards."""

import json
import subprocess
import sys

import pytest

from tests.acceptance.platform import ROOT

JOBS, FAULTS, SEED = 60, 10, 7


@pytest.mark.timeout(600)
def test_nothing_is_lost_doubled_or_left_while_parts_are_killed(tmp_path):
    results = tmp_path / "results.json"
    size = ["--jobs", str(JOBS), "--faults", str(FAULTS), "--seed", str(SEED), "--lease", "4", "--no-drills"]
    command = [sys.executable, "-m", "chaos", "--scenario", "storm", *size, "--json", str(results)]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    [storm] = json.loads(results.read_text()).values()
    assert storm["jobs"] == JOBS
    assert sum(storm["faults"].values()) >= FAULTS - 2, "those to which nothing lent itself are left out"
