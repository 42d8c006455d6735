"""The commands of docs/laptop-to-fleet.md, word by word and in order, from an empty home to a trained model."""

import os
import re
import subprocess
import sys
from functools import partial
from pathlib import Path

import psutil
import pytest
from cryptography.fernet import Fernet
from django.db import connection
from knox.models import AuthToken

from jobs.models import Job
from local_stack.servers.ports import LOOPBACK, pick_free
from quotas.models import Project
from tests import builders
from tests.acceptance.platform import ROOT, Platform, output, wait_for_state
from tests.acceptance.test_sessions import WEB, answers
from tests.waiting import wait_for
from tests.wheels import installed
from workers.models import Node

PAGE = (ROOT / "docs/laptop-to-fleet.md").read_text(encoding="utf-8")
FILE = re.compile(r"^```(?:python|text)\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
BLOCK = re.compile(r"(<!-- not run: [^\n]+ -->\n)?^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIRST = 17  # the number that the page gives its first job
SECONDS = 400


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty home, and in it a folder with the files of the page."""
    made = tmp_path / "newcomer" / "digits"
    made.mkdir(parents=True)
    for name, text in FILE.findall(PAGE):
        (made / name).write_text(text, encoding="utf-8")
    return made


@pytest.fixture
def environment(platform: Platform, folder: Path, tmp_path: Path) -> dict[str, str]:
    """A newcomer's shell, and for it the site in a process of its own, with a node that asks no index for packages."""
    port = pick_free()
    url = f"http://{LOOPBACK}:{port}"
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    platform.environment |= {
        "PATH": path,
        "TRAINYARD_CODE_URL": url,
        "TRAINYARD_LEASE_SECONDS": "60",  # the machine may have other things to do
        "UV_CACHE_DIR": str(tmp_path / "uv"),
        "UV_FIND_LINKS": str(tmp_path / "wheels"),
        "UV_OFFLINE": "1",
    }
    site = {"PORT": str(port), "WEB_WORKERS": "1", "WEB_THREADS": "4", "SECRETS_KEYS": Fernet.generate_key().decode()}
    platform._start("web", WEB, **{f"TRAINYARD_{name}": value for name, value in site.items()})
    platform.start_control()
    platform.start_node("n1", wait=False, cpus=4)
    installed(tmp_path / "wheels", "scikit-learn")
    heard = Node.objects.filter(name="n1", state="up", agent_id__isnull=False)
    wait_for(heard.exists, 240, "node n1")
    wait_for(partial(answers, f"{url}/api/v1/healthz"), 240, lambda: f"the site; {platform.log('web')}")
    project = Project.objects.filter(slug="default").first() or builders.project(slug="default")
    with connection.cursor() as cursor:
        cursor.execute("SELECT setval(pg_get_serial_sequence('jobs_job', 'id'), %s, false)", [FIRST])
    token = AuthToken.objects.create(builders.member(project=project))[1]
    return {"PATH": path, "HOME": str(folder.parent), "LANG": "C.UTF-8", "TRAINYARD_URL": url, "TRAINYARD_TOKEN": token}


def run(script: str, folder: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The script in a shell that stops at the first command that fails; nothing of it is left if it takes too long."""
    command = ["bash", "-euxo", "pipefail", "-c", script]
    with subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    ) as shell:  # fmt: skip
        try:
            told, _ = shell.communicate(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            started = psutil.Process(shell.pid)
            for process in [*started.children(recursive=True), started]:
                process.kill()
            told = shell.communicate()[0] + f"\nnot over after {SECONDS} s"
    return subprocess.CompletedProcess(command, shell.returncode, told)


def test_few_of_its_blocks_are_not_run_and_each_says_why():
    skipped = [block for why, block in BLOCK.findall(PAGE) if why]
    assert len(skipped) == PAGE.count("<!-- not run") <= 4
    assert [name for name, _ in FILE.findall(PAGE)] == ["train.py", "evaluate.py", "requirements.txt"]


@pytest.mark.timeout(1200)
def test_the_page_leads_from_a_folder_to_a_trained_model(platform: Platform, folder: Path, environment: dict[str, str]):
    done = run("".join(block for why, block in BLOCK.findall(PAGE) if not why), folder, environment)

    assert done.returncode == 0, f"{done.stdout}\n{platform.log('n1')}\n{platform.log('web')}"
    assert (folder / "results" / "model.joblib").stat().st_size > 10_000
    scores = re.findall(r"held-out accuracy (\d\.\d+)$", done.stdout, re.MULTILINE)
    assert len(scores) == 2, done.stdout  # here, and in the job that begins with the model
    assert min(map(float, scores)) > 0.85
    wait_for_state(Job(pk=24), "cancelled", platform=platform)  # the last command asks for it
    jobs = {job.pk: job for job in Job.objects.order_by("pk")}
    states = {number: job.state for number, job in jobs.items()}
    assert states == dict.fromkeys(range(FIRST, 24), "completed") | {24: "cancelled"}
    assert [number for number, job in jobs.items() if "Building the environment" in output(job)] == [18]
    assert output(jobs[19]) == "the key is ***\n"
    assert {job.workload.name for job in jobs.values() if job.workload} == {"rates"}
    assert len({job.snapshot_id for job in jobs.values() if job.snapshot_id}) == 1  # the folder has not changed
