"""The platform is put back to what it was while its agents still hold what came of it since."""

import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest
from django.db import connection

from jobs.models import Attempt, Job, Placement
from local_stack.backups.fence import ID_GAP
from tests.acceptance.platform import ROOT, Platform, history, output, submitted, wait_for_state
from tests.waiting import wait_for


def manage(platform: Platform, *words: str) -> str:
    command = [sys.executable, "manage.py", *words]
    done = subprocess.run(
        command, cwd=ROOT, env=platform.environment, capture_output=True, text=True, check=False, timeout=90
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def alone(mark: Path, gate: Path) -> str:
    """A command that waits for the gate, and tells if another one of the same job runs beside it."""
    waits = f"echo began; while ! test -e {gate}; do sleep 0.1; done; echo ended"
    return f"flock -n {mark}.lock sh -c '{waits}' || touch {mark}.twice"


@pytest.mark.timeout(600)
def test_nothing_of_the_span_that_is_lost_meets_the_restored_platform(
    platform_on_own_database: Platform, tmp_path: Path
):
    platform = platform_on_own_database
    gates, backup = [tmp_path / f"gate{number}" for number in range(2)], tmp_path / "backup"
    ended_since, runs_on = submitted(alone(tmp_path / "0", gates[0]), alone(tmp_path / "1", gates[1]))
    for job in (ended_since, runs_on):
        wait_for_state(job, "running", platform=platform)

    assert "The platform is in" in manage(platform, "backup", str(backup))
    gates[0].touch()
    wait_for_state(ended_since, "completed", platform=platform)
    [later] = submitted(f"echo mine > $TRAINYARD_CHECKPOINT_DIR/model; while ! test -e {gates[1]}; do sleep 0.1; done")
    wait_for_state(later, "running", platform=platform)
    tokens = set(Attempt.objects.values_list("token", flat=True))
    shims = platform.shims()
    assert len(shims) == 2

    # Agents leave, their jobs run on under their shims, as far as a lease goes.
    for name in ("beat", "control"):
        platform.stop(name)
    platform.kill("n1", signal.SIGQUIT)
    assert platform.processes.pop("n1").wait(30) == 0
    connection.close()
    assert "The database is that of" in manage(platform, "restore", str(backup), "--yes")
    manage(platform, "migrate", "--verbosity=0")

    assert set(Job.objects.values_list("pk", flat=True)) == {ended_since.pk, runs_on.pk}
    assert not tokens & set(Attempt.objects.values_list("token", flat=True))
    platform._agent_roles = {}  # a restored database knows no rights of before
    platform.start_node("n1")
    platform.start_control()
    platform.start_beat()
    wait_for(lambda: not any(map(psutil.Process.is_running, shims)), 90, "what ran before to be stopped")
    gates[1].touch()
    for job in (ended_since, runs_on):
        wait_for_state(job, "completed", timeout=180, platform=platform)
        assert history(job)[-4:] == ["queued", "assigned", "running", "completed"]
        assert job.events.filter(kind="restored").count() == 1
        assert set(job.attempts.values_list("end_reason", flat=True)) == {"node_lost", "completed"}
    assert output(runs_on).endswith("began\nended\n")
    assert not list(tmp_path.glob("*.twice"))
    assert Placement.objects.filter(pk__gt=ID_GAP).count() == 2

    # Whoever comes now gets a number that nobody had, so that its folder is empty.
    [fresh] = submitted("ls $TRAINYARD_CHECKPOINT_DIR; echo empty")
    wait_for_state(fresh, "completed", timeout=60, platform=platform)
    assert fresh.pk > later.pk + ID_GAP - 10
    assert output(fresh) == "empty\n"
