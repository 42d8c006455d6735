"""What an attempt begins with on a node that has nothing of it: its last checkpoint, and outputs of other jobs."""

import os
import threading
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from django.db import connection
from django.utils import timezone

from executors.node.beginning import INCOMING, INPUTS, NodeBeginning
from executors.node.outputs import NodeOutputs
from executors.run.placement_run import PlacementRun
from jobs.attempts import claims
from jobs.code import blobs
from jobs.code.manifest import PART_BYTES
from jobs.models import KeptOutputs
from jobs.outputs import taking
from jobs.state.outcome import PlacementRef
from scheduling.failures.retry import MEANINGS
from scheduling.lifecycle import EndReason
from tests import builders
from tests.executors.node.test_code import Room
from tests.waiting import wait_for
from workers.models import Node
from workers.runtime.walls import Walls

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def site(live_server, settings, tmp_path):
    options = {"location": str(tmp_path / "storage")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    settings.CODE_URL, settings.CODE_FETCH_SECONDS = live_server.url, 2
    return live_server


class OneNode:
    """A node with a disk of its own."""

    def __init__(self, home: Path, room=10_000):
        self.row = builders.node()
        self.home = home / self.row.name
        for folder in ("node", "jobs"):
            (self.home / folder).mkdir(parents=True)
        self.outputs = NodeOutputs(self.home / "node", self.home / "jobs")
        self.beginning = NodeBeginning(self.home / "jobs", Room(room), Walls(self.home, self.home / "node"))

    def claim(self, job):
        job.attempts.filter(ended_at=None).update(ended_at="2026-01-01T00:00Z")
        type(job).objects.filter(pk=job.pk).update(state="queued")
        job.refresh_from_db()
        placement = builders.placement(attempt=builders.attempt(job=job), node=self.row)
        [claimed] = claims.claim([PlacementRef(placement.pk, str(placement.attempt.token))], node_id=self.row.pk)
        run = PlacementRun(claimed, self.home / "node" / "attempts" / str(placement.pk), lease_deadline=0)
        run.folder.mkdir(parents=True)
        return run

    def folders(self, run):
        job = self.home / "jobs" / str(run.claimed.job_id)
        outputs, checkpoints = job / "outputs" / str(run.claimed.attempt), job / "checkpoints"
        for folder in (outputs, checkpoints):
            folder.mkdir(parents=True, exist_ok=True)
        return outputs, checkpoints

    def ship(self, run):
        self.outputs.take(run)
        assert self.outputs.turn()


@pytest.fixture
def nodes(site, tmp_path):
    return SimpleNamespace(a=OneNode(tmp_path), b=OneNode(tmp_path))


@pytest.fixture
def job():
    return builders.job(state="queued")


@pytest.fixture
def model(nodes, job):
    """A job that has left a model on the first node."""
    run = nodes.a.claim(job)
    outputs, _ = nodes.a.folders(run)
    (outputs / "deep").mkdir()
    (outputs / "deep" / "model.pt").write_bytes(b"weights" * 3_000_000)
    (outputs / "run.sh").write_bytes(b"#!/bin/sh")
    (outputs / "run.sh").chmod(0o755)
    (outputs / "latest").symlink_to("deep/model.pt")
    nodes.a.ship(run)
    return job


def test_the_checkpoint_of_another_node_is_there_before_the_command(nodes, job):
    first = nodes.a.claim(job)
    _, checkpoints = nodes.a.folders(first)
    large = os.urandom(PART_BYTES) + b"more"
    for age, name in enumerate(["step-2", "step-1"]):
        (checkpoints / name).mkdir()
        (checkpoints / name / "model.pt").write_bytes(large + name.encode())
        os.utime(checkpoints / name / "model.pt", (10_000 - age, 10_000 - age))
    (checkpoints / "last").symlink_to("step-2")
    nodes.a.ship(first)

    second = nodes.b.claim(job)
    assert nodes.b.beginning.prepare(second) is None
    _, there = nodes.b.folders(second)
    assert (there / "last" / "model.pt").read_bytes() == large + b"step-2"
    assert (there / "step-2").stat().st_mtime == 10_000 > (there / "step-1").stat().st_mtime
    assert [note.kind for note in second.notes] == ["checkpoint_fetched"]
    assert not list(there.parent.glob(f"{INCOMING}*"))


def test_on_the_same_node_or_a_shared_disk_nothing_is_fetched(nodes, job, settings):
    first = nodes.a.claim(job)
    _, checkpoints = nodes.a.folders(first)
    (checkpoints / "step-1").write_bytes(b"1")
    nodes.a.ship(first)
    (checkpoints / "step-1").write_bytes(b"newer")

    second = nodes.a.claim(job)
    settings.CODE_URL = "http://127.0.0.1:9"
    assert nodes.a.beginning.prepare(second) is None
    assert (checkpoints / "step-1").read_bytes() == b"newer"


def test_what_an_older_attempt_had_saved_here_gives_way_to_the_newer_one(nodes, job):
    for node, content in ((nodes.b, b"old"), (nodes.a, b"new")):
        run = node.claim(job)
        _, checkpoints = node.folders(run)
        (checkpoints / "last").mkdir(exist_ok=True)
        (checkpoints / "last" / "model.pt").write_bytes(content)
        node.ship(run)
    third = nodes.b.claim(job)
    outside = nodes.b.home / "outside"
    outside.mkdir()
    checkpoints = nodes.b.folders(third)[1]
    (checkpoints / "stays").symlink_to(outside)
    assert nodes.b.beginning.prepare(third) is None
    assert (checkpoints / "last" / "model.pt").read_bytes() == b"new"
    assert not list(outside.iterdir())


def test_one_that_is_still_uploaded_is_waited_for(nodes, job, settings):
    settings.OUTPUT_WAIT_SECONDS = 60
    first = nodes.a.claim(job)
    _, checkpoints = nodes.a.folders(first)
    (checkpoints / "step-1").write_bytes(b"saved")
    taking.announce([first.placement_id])
    second = nodes.b.claim(job)
    ended = []

    def prepare():
        try:
            ended.append(nodes.b.beginning.prepare(second))
        finally:
            connection.close()

    thread = threading.Thread(target=prepare)
    thread.start()
    wait_for(lambda: any(note.kind == "waits_for_outputs" for note in second.notes), timeout=20)
    nodes.a.ship(first)
    thread.join(30)
    assert ended == [None]
    assert (nodes.b.folders(second)[1] / "step-1").read_bytes() == b"saved"


@pytest.mark.parametrize("gone", [True, False])
def test_a_node_that_brings_nothing_keeps_nobody_waiting_for_ever(nodes, job, settings, gone):
    settings.OUTPUT_WAIT_SECONDS = 0.2
    older = nodes.a.claim(job)
    (nodes.a.folders(older)[1] / "step-1").write_bytes(b"older")
    nodes.a.ship(older)
    newer = nodes.a.claim(job)
    taking.announce([newer.placement_id])
    if gone:
        Node.objects.filter(pk=nodes.a.row.pk).update(state="down")
        KeptOutputs.objects.update(announced_at=timezone.now() - timedelta(minutes=5))
    last = nodes.b.claim(job)
    assert nodes.b.beginning.prepare(last) is None
    assert (nodes.b.folders(last)[1] / "step-1").read_bytes() == b"older"
    waited = {"waits_for_outputs", "outputs_not_waited_for"}
    assert waited & {note.kind for note in last.notes} == (set() if gone else waited)


def test_a_storage_that_is_away_ends_the_attempt_at_the_platforms_expense(nodes, job, monkeypatch):
    first = nodes.a.claim(job)
    (nodes.a.folders(first)[1] / "step-1").write_bytes(b"saved")
    nodes.a.ship(first)

    def fails(*_):
        raise OSError("away")

    monkeypatch.setattr(blobs, "read_range", fails)
    ended = nodes.b.beginning.prepare(nodes.b.claim(job))
    assert ended.reason == EndReason.FILES_UNAVAILABLE
    assert "could not be fetched" in ended.message
    assert MEANINGS[ended.reason] == MEANINGS[EndReason.CODE_UNAVAILABLE]


def test_inputs_lie_below_their_folder(nodes, model):
    wanted = [
        {"job": model.pk, "path": "deep/model.pt", "to": "start/model.pt"},
        {"job": model.pk, "path": "deep", "to": "deep"},
        {"job": model.pk, "path": "", "to": "all"},
    ]
    run = nodes.b.claim(builders.job(state="queued", project=model.project, inputs=wanted))
    assert nodes.b.beginning.prepare(run) is None
    inputs = run.folder / INPUTS
    expected = b"weights" * 3_000_000
    for path in ("start/model.pt", "deep/model.pt", "all/deep/model.pt", "all/latest"):
        assert (inputs / path).read_bytes() == expected
    assert (inputs / "all" / "run.sh").stat().st_mode & 0o777 == 0o755


def test_inputs_that_are_not_there_end_the_attempt_and_say_so(nodes, model):
    wanted = [{"job": model.pk, "path": "nothing", "to": "nothing"}]
    run = nodes.b.claim(builders.job(state="queued", project=model.project, inputs=wanted))
    ended = nodes.b.beginning.prepare(run)
    assert ended.reason == EndReason.FILES_UNAVAILABLE
    assert f"nothing of job {model.pk}" in ended.message


def test_a_node_without_an_address_of_the_site_says_so(nodes, model, settings):
    settings.CODE_URL = ""
    run = nodes.b.claim(builders.job(state="queued", inputs=[{"job": model.pk, "path": "", "to": "x"}]))
    assert "TRAINYARD_CODE_URL" in nodes.b.beginning.prepare(run).message


def test_a_disk_without_room_is_said_before_anything_is_written(nodes, model, tmp_path):
    small = OneNode(tmp_path, room=1)
    run = small.claim(builders.job(state="queued", inputs=[{"job": model.pk, "path": "", "to": "x"}]))
    with pytest.raises(OSError, match="no room for what the job begins with"):
        small.beginning.prepare(run)
    assert not (run.folder / INPUTS).exists()


def test_nobody_gets_blobs_of_what_he_does_not_begin_with(nodes, model, site):
    stranger = nodes.b.claim(builders.job(state="queued"))
    sha256 = KeptOutputs.objects.get().files.get(path="run.sh").sha256
    url = f"{site.url}/api/v1/placements/{stranger.placement_id}/beginning"
    headers = {"Authorization": f"Placement {stranger.claimed.token}"}
    assert httpx.post(url, json={"blobs": [sha256]}, headers=headers).status_code == 404
    assert httpx.get(url, headers=headers).json() == {"checkpoint": None, "inputs": []}
    assert httpx.get(url, headers={"Authorization": "Placement x"}).status_code == 404
