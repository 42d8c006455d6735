"""The drill of the clusters: what it counts as doubled, and a short one of each kind."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture import source
from tests.engines.faults import CLUSTERS, doubled


def ran(folder: Path, attempt: int, began: float, last: float, pid: int = 1) -> None:
    for sign, moment in (("began", began), ("alive", last)):
        (folder / f"7.{attempt}.{pid}.0.{sign}").write_text(str(moment))


def test_attempts_one_after_the_other_are_not_doubled(tmp_path):
    ran(tmp_path, 1, 10, 12)
    ran(tmp_path, 2, 12.5, 14)
    assert doubled(tmp_path, 7) == []


def test_an_attempt_that_ran_twice_and_one_that_began_too_early_are(tmp_path):
    ran(tmp_path, 1, 10, 12)
    ran(tmp_path, 1, 10.5, 12, pid=2)
    ran(tmp_path, 2, 11, 14)
    assert doubled(tmp_path, 7) == [
        "attempt 1 of job 7 ran 2 times",
        "attempt 2 of job 7 began before the one before it was over",
    ]


@pytest.mark.acceptance
@pytest.mark.timeout(600)
@pytest.mark.parametrize("kind", CLUSTERS)
def test_nothing_is_lost_doubled_or_left_while_each_part_is_killed_once(kind):
    if absent := CLUSTERS[kind][1]():
        pytest.skip(absent)
    command = [sys.executable, "-m", "tests.engines.faults", kind, "--times", "1"]
    done = subprocess.run(
        command, cwd=source.ROOT, env=os.environ, capture_output=True, text=True, timeout=580, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
    assert "lost 0, doubled 0, orphans 0" in done.stdout
