"""The recipe of docs/guide/optuna.md, as it stands there: a real study on a real platform, killed once in its midst."""

import os
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path

import optuna
import pytest
from knox.models import AuthToken

from jobs.models import Job
from tests import builders
from tests.acceptance.platform import ROOT, Platform
from tests.waiting import wait_for

BLOCK = re.compile(r"^```python\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TRIALS = 12


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the scripts of the page lie."""
    made = tmp_path / "study"
    made.mkdir()
    for name, text in BLOCK.findall((ROOT / "docs/guide/optuna.md").read_text(encoding="utf-8")):
        (made / name).write_text(text, encoding="utf-8")
    return made


@pytest.mark.timeout(300)
def test_a_study_finds_the_best_point_and_goes_on_where_it_was_killed(platform: Platform, live_server, folder: Path):
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    platform.environment |= {"PATH": path, "TRAINYARD_LEASE_SECONDS": "30"}
    platform.start("n1", cpus=4, beat=True)
    owner = builders.member(project=builders.project(slug="vision"))
    environment = {
        "PATH": path, "HOME": str(folder), "TRAINYARD_URL": live_server.url, "TRAINYARD_PROJECT": "vision",
        "TRAINYARD_TOKEN": AuthToken.objects.create(owner)[1],
    }  # fmt: skip

    first = subprocess.Popen([sys.executable, "study.py"], cwd=folder, env=environment)
    try:
        wait_for(lambda: Job.objects.filter(state="completed").count() > 2 or first.poll() is not None, 90, "the first")
        assert first.poll() is None
    finally:
        first.kill()
        first.wait(10)
    second = subprocess.run(
        [sys.executable, "study.py"],
        cwd=folder,
        env=environment,
        timeout=150,
        check=False,
        capture_output=True,
        text=True,
    )

    assert second.returncode == 0, second.stderr
    assert second.stdout.startswith("best: ")
    study = optuna.load_study(study_name="lr-width", storage=f"sqlite:///{folder}/study.db")
    assert Counter(trial.state.name for trial in study.trials) == {"COMPLETE": TRIALS}
    assert Counter(Job.objects.values_list("state", "workload__name")) == {("completed", "lr-width"): TRIALS}
    jobs = {job.name: job for job in Job.objects.all()}
    for trial in study.trials:
        assert jobs[f"lr-width-{trial.number}"].metrics["loss"] == pytest.approx(trial.value)
