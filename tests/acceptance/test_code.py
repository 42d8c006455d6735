"""Code that no node has runs on two of them; what is known already does not travel again."""

import os
from types import SimpleNamespace

import pytest
from knox.models import AuthToken

from cli.client.connection import Connection
from cli.client.requests import Server
from jobs.code import blobs
from jobs.models import CodePack, Job
from quotas.models import Project
from tests import builders
from tests.acceptance.platform import Platform, output, wait_for_state
from trainyard.code.sync import sync

SCRIPT = """#!/bin/sh
echo "greeting: $(cat conf/greeting) by $(cat latest)"
echo spoilt > conf/greeting
echo "left $(ls | tr '\\n' ' ')"
"""


@pytest.fixture
def site(platform: Platform, live_server, settings, tmp_path, monkeypatch):
    """The site over HTTP, and a member of a project there with a folder of code."""
    settings.STORAGES = settings.STORAGES | {
        "code": {"BACKEND": settings.FILES, "OPTIONS": {"location": str(tmp_path / "code")}}
    }
    platform.environment["TRAINYARD_CODE_URL"] = live_server.url
    project = Project.objects.filter(slug="acceptance").first() or builders.project(slug="acceptance")
    token = AuthToken.objects.create(builders.member(project=project))[1]
    folder = tmp_path / "work"
    (folder / "conf").mkdir(parents=True)
    (folder / "run.sh").write_text(SCRIPT)
    (folder / "run.sh").chmod(0o755)
    (folder / "conf" / "greeting").write_text("hello")
    (folder / "latest").symlink_to("conf/greeting")
    (folder / ".gitignore").write_text("*.log\n")
    (folder / "noise.log").write_text("x" * 1000)
    sent, stream = [], blobs.stream

    def counted(found):
        sent.append({blob.sha256 for blob in found})
        return stream(found)

    monkeypatch.setattr(blobs, "stream", counted)
    with Server(Connection(live_server.url, token, "a test")) as server:
        yield SimpleNamespace(server=server, folder=folder, environ={"HOME": str(tmp_path / "home")}, sent=sent)


def submit(site, count=1, **more):
    snapshot = sync(site.server, site.folder, project="acceptance", environ=site.environ)
    job = {"command": ["./run.sh"], "snapshot": snapshot["id"], "project": "acceptance", **more}
    answer = site.server.post("jobs/batch", {"jobs": [job] * count})
    return snapshot, [Job.objects.get(pk=one["id"]) for one in answer["jobs"]]


def test_a_folder_that_no_node_has_runs_on_two_and_travels_once_to_each(platform: Platform, site):
    platform.start("n1", "n2", cpus=2)
    first, jobs = submit(site, count=8)
    assert first["uploaded"] > 0

    for job in jobs:
        wait_for_state(job, "completed", timeout=120, platform=platform)
        # Each has a copy of its own: none sees what another one wrote into its.
        assert output(job) == "greeting: hello by hello\nleft conf latest run.sh \n"

    assert {attempt.placements.get().node.name for job in jobs for attempt in job.attempts.all()} == {"n1", "n2"}
    assert len(site.sent) == 2  # one for each node, however many jobs began there at once
    assert site.sent[0] == site.sent[1]
    packs = CodePack.objects.count()
    again, [job] = submit(site)
    assert (again["id"], again.get("uploaded"), CodePack.objects.count()) == (first["id"], None, packs)
    wait_for_state(job, "completed", timeout=60, platform=platform)
    assert output(job).startswith("greeting: hello")
    assert len(site.sent) == 2


PROWL = """
echo mine > conf/greeting && cat conf/greeting
sleep 3
cat "$TRAINYARD_CODE_DIR"/../../*/code/conf/greeting | wc -l
ls "$TRAINYARD_CODE_DIR"/../../../code 2>&1 | grep -c manifests
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="walls need an agent that is root")
def test_behind_walls_a_job_owns_its_copy_and_sees_no_other_nor_the_cache(platform: Platform, site):
    platform.start_control()
    platform.start_node("n1", cpus=2, TRAINYARD_RUN_AS="auto")
    _, jobs = submit(site, count=2, command=["sh", "-c", PROWL])
    for job in jobs:
        wait_for_state(job, "completed", "failed", timeout=120, platform=platform)
        assert output(job).split() == ["mine", "1", "0"]
