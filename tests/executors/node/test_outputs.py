"""What an attempt left, on its way from its node into the storage: whole, once, and what stays behind is said."""

import hashlib
import os
from types import SimpleNamespace

import pytest
from django.db.models import Sum
from django.utils import timezone

from executors.node import outputs as node_outputs
from executors.node.outputs import NodeOutputs
from executors.run import outbox
from executors.run.placement_run import PlacementRun
from jobs.attempts import claims
from jobs.code import blobs
from jobs.code.manifest import PART_BYTES
from jobs.models import CodePack, JobEvent, KeptFile, KeptOutputs, OutputLimit, Placement
from jobs.outputs import reading, taking
from jobs.state.outcome import PlacementRef
from tests import builders
from workers.runtime import left_files

pytestmark = pytest.mark.django_db(transaction=True)


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def site(live_server, settings, tmp_path):
    options = {"location": str(tmp_path / "storage")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    settings.CODE_URL = live_server.url
    return live_server


@pytest.fixture
def left(site, tmp_path):
    """An attempt that has ended on a node, and its folders there."""
    node = builders.node()
    job = builders.job(state="queued")
    placement = builders.placement(attempt=builders.attempt(job=job), node=node)
    [claimed] = claims.claim([PlacementRef(placement.pk, str(placement.attempt.token))], node_id=node.pk)
    home = tmp_path / "home"
    outputs, checkpoints = home / f"jobs/{job.pk}/outputs/1", home / f"jobs/{job.pk}/checkpoints"
    for folder in (home / "node", outputs, checkpoints):
        folder.mkdir(parents=True)
    run = PlacementRun(claimed, tmp_path / "attempt", lease_deadline=0)
    return SimpleNamespace(job=job, placement=placement, run=run, home=home, outputs=outputs, checkpoints=checkpoints)


def ship(left):
    shipping = NodeOutputs(left.home / "node", left.home / "jobs")
    shipping.take(left.run)
    return shipping.turn()


def kept(left, state="kept"):
    return {(file.kind, file.path): file for file in KeptFile.objects.filter(state=state)}


def read(file):
    return b"".join(reading.content(file, 0, file.size))


def test_outputs_and_checkpoints_arrive_with_their_hashes(left):
    large = os.urandom(PART_BYTES) + b"more"
    (left.outputs / "deep").mkdir()
    (left.outputs / "deep" / "large").write_bytes(large)
    (left.outputs / "empty").touch()
    (left.outputs / "latest").symlink_to("deep/large")
    (left.checkpoints / "step-1.pt").write_bytes(b"weights")
    assert ship(left)

    files = kept(left)
    assert {key: (file.size, file.sha256) for key, file in files.items()} == {
        ("output", "deep/large"): (len(large), hash_of(large)),
        ("output", "empty"): (0, hash_of(b"")),
        ("checkpoint", "step-1.pt"): (7, hash_of(b"weights")),
    }
    assert read(files["output", "deep/large"]) == large
    assert kept(left, "link")["output", "latest"].link == "deep/large"
    row = KeptOutputs.objects.get()
    assert (row.state, row.left_out, row.attempt) == ("kept", 0, left.placement.attempt)
    assert not outbox.holds(left.home / "node", left.placement.pk)


def test_who_left_nothing_asks_nobody(left, settings):
    settings.CODE_URL = "http://127.0.0.1:9"
    assert ship(left)
    assert not KeptOutputs.objects.exists()


def test_after_the_end_of_the_attempt_too_but_only_once(left):
    (left.outputs / "a").write_bytes(b"a")
    Placement.objects.filter(pk=left.placement.pk).update(state="closed", closed_at="2026-01-01T00:00Z")
    assert ship(left)  # too late: it is given up, and nothing is tried again
    assert not kept(left)
    Placement.objects.filter(pk=left.placement.pk).update(closed_at=timezone.now())
    assert ship(left)
    (left.outputs / "b").write_bytes(b"b")
    assert ship(left)
    assert {path for _, path in kept(left)} == {"a"}


def test_what_cannot_come_along_is_said(left, tmp_path):
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    (left.outputs / "way-out").symlink_to(secret)
    (left.outputs / "folder-out").symlink_to(tmp_path)
    os.mkfifo(left.outputs / "pipe")
    (left.outputs / "line\nend").write_bytes(b"fine")
    (left.outputs / os.fsdecode(b"\xff\xfe")).write_bytes(b"12345")
    assert ship(left)

    assert {path for _, path in kept(left)} == {"line\nend"}
    assert {path: (file.message, file.size) for (_, path), file in kept(left, "left_out").items()} == {
        "way-out": (left_files.LEADS_OUT, 0),
        "folder-out": (left_files.LEADS_OUT, 0),
        "pipe": (left_files.NO_FILE, 0),
        "\\xff\\xfe": (left_files.NO_TEXT, 5),
    }
    row = KeptOutputs.objects.get()
    assert (row.left_out, row.left_out_bytes) == (4, 5)
    assert "4 files" in JobEvent.objects.get(kind="outputs_left_out").message


def test_a_file_that_changes_while_it_is_read_is_left_out(left, monkeypatch):
    (left.outputs / "log").write_bytes(b"x")
    part = node_outputs._part

    def grows(file):
        with (left.outputs / "log").open("ab") as log:
            log.write(b"more")
        return part(file)

    monkeypatch.setattr(node_outputs, "_part", grows)
    assert ship(left)
    assert not kept(left)
    assert kept(left, "left_out")["output", "log"].message == node_outputs.CHANGES


def test_of_too_much_the_newest_checkpoints_are_kept_and_small_outputs_still_fit(left, settings):
    settings.OUTPUT_MB = settings.CHECKPOINT_MB = 1
    for age, name in enumerate(["new", "old"]):
        (left.checkpoints / name).write_bytes(os.urandom(700_000))
        os.utime(left.checkpoints / name, (1_000_000 - age, 1_000_000 - age))
    (left.outputs / "a-large").write_bytes(bytes(2_000_000))
    (left.outputs / "b-small").write_bytes(b"small")
    assert ship(left)
    assert set(kept(left)) == {("output", "b-small"), ("checkpoint", "new")}
    assert kept(left, "left_out")["output", "a-large"].size == 2_000_000
    assert KeptOutputs.objects.get().left_out_bytes == 2_700_000


def test_of_too_many_files_the_rest_is_counted(left, settings, monkeypatch):
    settings.OUTPUT_FILES = 3
    monkeypatch.setattr(taking, "MOST_LEFT_OUT", 2)
    for number in range(9):
        (left.outputs / str(number)).touch()
    assert ship(left)
    assert {path for _, path in kept(left)} == {"0", "1", "2"}
    assert len(kept(left, "left_out")) == 2
    assert KeptOutputs.objects.get().left_out == 6


def test_an_agent_that_was_restarted_sends_only_what_is_missing(left, monkeypatch):
    first, second = os.urandom(PART_BYTES), os.urandom(PART_BYTES)
    (left.outputs / "large").write_bytes(first + second)
    store = blobs.store_outputs
    calls: list[int] = []

    def dies_in_the_middle(project, body):
        if calls:
            raise OSError("the site is gone")
        calls.append(1)
        return store(project, body)

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "store_outputs", dies_in_the_middle)
        assert not ship(left)
    assert outbox.holds(left.home / "node", left.placement.pk)
    assert NodeOutputs(left.home / "node", left.home / "jobs").turn()  # the next agent
    assert read(kept(left)["output", "large"]) == first + second
    assert [pack.size for pack in CodePack.objects.order_by("pk")] == [PART_BYTES, PART_BYTES]


def test_a_full_storage_is_said_and_tried_again(left, monkeypatch):
    (left.outputs / "a").write_bytes(b"a")

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(blobs, "make_durable", full)
        assert not ship(left)
    row = KeptOutputs.objects.get()
    assert (row.state, row.message) == ("coming", taking.NOT_NOW)
    assert ship(left)
    row.refresh_from_db()
    assert (row.state, row.message) == ("kept", "")


def test_an_agent_that_leaves_uploads_first_what_it_can(left, settings):
    (left.outputs / "a").write_bytes(b"a")
    shipping = NodeOutputs(left.home / "node", left.home / "jobs")
    shipping.start()
    shipping.take(left.run)
    shipping.finish(within=60)
    assert set(kept(left)) == {("output", "a")}


def test_an_agent_that_leaves_waits_for_no_site_that_is_away(left, settings):
    (left.outputs / "a").write_bytes(b"a")
    settings.CODE_URL = "http://127.0.0.1:9"
    shipping = NodeOutputs(left.home / "node", left.home / "jobs")
    shipping.take(left.run)
    shipping.start()
    shipping.finish(within=3600)
    assert outbox.holds(left.home / "node", left.placement.pk)


def test_the_same_content_is_stored_once(left):
    (left.outputs / "a").write_bytes(b"same")
    (left.outputs / "b").write_bytes(b"same")
    (left.checkpoints / "c").write_bytes(b"same")
    assert ship(left)
    assert len(kept(left)) == 3
    assert sum(pack.size for pack in CodePack.objects.all()) == 4


def test_what_the_project_has_no_room_for_is_not_sent_but_checkpoints_of_a_job_that_goes_on_are(left):
    OutputLimit.objects.create(project=left.job.project, most_mb=1)
    (left.outputs / "large.bin").write_bytes(bytes(2 * 2**20))
    (left.outputs / "small.bin").write_bytes(b"small")
    (left.checkpoints / "step").write_bytes(b"work" * 2**19)

    assert ship(left)

    assert set(kept(left)) == {("output", "small.bin"), ("checkpoint", "step")}
    [file] = kept(left, "left_out").values()
    assert (file.path, file.message[:15], file.sha256) == ("large.bin", "No room for it:", "")
    assert CodePack.objects.aggregate(all=Sum("size"))["all"] < 2.1 * 2**20
    row = KeptOutputs.objects.get()
    assert (row.left_out, row.left_out_bytes) == (1, 2 * 2**20)
