"""Jobs in environments of their own: built on the node of a file in their code, behind its walls, and found again."""

import os

import pytest

from jobs.control import actions
from jobs.models import Attempt, Job
from tests.acceptance.platform import Platform, output, wait_for_state
from tests.acceptance.test_code import site, submit  # noqa: F401  the fixture
from tests.waiting import wait_for
from tests.wheels import wheel
from workers.models import Node

SCRIPT = "import tiny, sys; print(tiny.VERSION, sys.prefix == sys.base_prefix); open(tiny.__file__, 'a')"
REQUIREMENTS = {"requirements": "requirements.txt"}


@pytest.mark.skipif(os.geteuid() != 0, reason="walls need an agent that is root")
def test_an_environment_is_built_once_behind_the_walls_and_cannot_be_written(platform: Platform, site):  # noqa: F811
    platform.start_control()
    platform.start_node("n1", cpus=2, TRAINYARD_RUN_AS="auto")
    wheel(site.folder / "wheels")
    (site.folder / "requirements.txt").write_text("./wheels/tiny-1.0-py3-none-any.whl\n")

    _, [first] = submit(site, command=["python", "-c", SCRIPT], environment=REQUIREMENTS)
    wait_for_state(first, "failed", "completed", timeout=120, platform=platform)
    log = output(first)
    assert "[environment] Building the environment of requirements.txt with Python 3" in log
    assert "1.0 False" in log
    assert "PermissionError" in log or "Read-only" in log  # what it shares it cannot change

    _, [second] = submit(site, command=["python", "-c", "import tiny; print(tiny.VERSION)"], environment=REQUIREMENTS)
    wait_for_state(second, "completed", timeout=60, platform=platform)
    assert output(second) == "1.0\n"


def test_an_environment_that_cannot_be_had_ends_the_attempt_with_words(platform: Platform, site):  # noqa: F811
    platform.start("n1")
    (site.folder / "requirements.txt").write_text("--no-index\nno-such-package\n")
    _, [wrong] = submit(site, environment=REQUIREMENTS)
    _, [missing] = submit(site, environment={"venv": "/no/such"})
    for job, words in ((wrong, "no-such-package"), (missing, "There is no virtual environment /no/such")):
        wait_for_state(job, "failed", timeout=60, platform=platform)
        ended = Job.objects.get(pk=job.pk)
        assert (ended.end_reason, words in ended.message) == ("setup_failed", True)
    assert "no-such-package" in output(wrong)


def test_an_agent_that_is_killed_while_it_builds_leaves_nothing_half_built(platform: Platform, site):  # noqa: F811
    platform.environment["TRAINYARD_LEASE_SECONDS"] = "30"  # a new agent may take its time to start
    platform.start_control()
    platform.start_node("n1", wait=False)
    slow = "import time\ndef get_requires_for_build_wheel(*a):\n    time.sleep(600)\n"
    wheel(site.folder / "wheels")
    (site.folder / "slow").mkdir()
    (site.folder / "slow" / "back.py").write_text(slow)
    (site.folder / "slow" / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "back"\nbackend-path = ["."]\n[project]\nname = "slow"\nversion = "1"\n'
    )
    (site.folder / "requirements.txt").write_text("./wheels/tiny-1.0-py3-none-any.whl\n./slow\n")
    wait_for(lambda: Node.objects.filter(name="n1", state="up").exists(), timeout=90)
    _, [job] = submit(site, environment=REQUIREMENTS)
    wait_for(lambda: "Building the environment" in output(job), timeout=60)

    platform.kill("n1")
    platform.start_node("n1", wait=False)
    wait_for(lambda: output(job).count("Building the environment") == 2, timeout=90)
    actions.cancel(job_id=job.pk, actor="a test")
    wait_for_state(job, "cancelled", timeout=60, platform=platform)
    assert Attempt.objects.filter(job=job).count() == 1
    assert output(job).count("Ready after") == 0
    assert not list((platform.home / "nodes" / "n1" / "environments").glob("*/env"))


def test_a_node_says_what_jobs_can_run_in_there(platform: Platform):
    platform.start("n1")
    labels = Node.objects.get(name="n1").labels
    assert labels["environments"] == labels["environment-builds"] == "yes"
    assert any(name.startswith("python-3.") for name in labels)
