"""A short race for the last GPUs of a project, as `python -m benchmarks.quota_race` runs a long one."""

import json
import subprocess
import sys

import pytest

from tests.acceptance.platform import ROOT

ROUNDS, CLIENTS = 10, 40


@pytest.mark.timeout(600)
def test_of_forty_who_race_for_the_last_gpus_no_more_run_than_may():
    command = [sys.executable, "-m", "benchmarks.quota_race", "--rounds", str(ROUNDS), "--clients", str(CLIENTS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=580, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-4000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["answers"] == {"201": ROUNDS * CLIENTS}
    assert found["most held"] == 8, "by the intervals of all placements"
    assert found["placements"] >= ROUNDS  # a round ends when the last GPUs are taken, be it by one of them
