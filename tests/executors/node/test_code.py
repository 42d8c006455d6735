"""The code of a job on its way to a node: fetched once, tried again, given up with a reason that costs nobody a retry."""

import hashlib
import io
import json
import threading
import time
from dataclasses import replace

import pytest

from executors.node.code import COPY, NodeCode
from executors.run.placement_run import PlacementRun
from jobs.attempts import claims
from jobs.code import blobs, manifest, snapshots
from jobs.models import CodePack
from jobs.state.outcome import PlacementRef
from jobs.storage.objects import read_range
from scheduling.failures.retry import MEANINGS, NodeSuspicion, RetryBudget
from scheduling.lifecycle import EndReason
from tests import builders
from workers.hardware.disk import Disk
from workers.runtime.code_files import CodeFile

pytestmark = pytest.mark.django_db(transaction=True)
ONE, TWO = b"print('one')\n", b"two" * 1000


class Room(Disk):
    """A disk with so much room."""

    def __init__(self, megabytes=10_000):
        super().__init__([], 0)
        self.megabytes = megabytes

    def free_mb(self):
        return self.megabytes


def hash_of(content):
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def site(live_server, settings, tmp_path):
    options = {"location": str(tmp_path / "storage")}
    settings.STORAGES = settings.STORAGES | {"code": {"BACKEND": settings.FILES, "OPTIONS": options}}
    settings.CODE_URL, settings.CODE_FETCH_SECONDS = live_server.url, 3
    return live_server


@pytest.fixture
def snapshot(site):
    project = builders.project()
    files = [
        CodeFile("a.py", len(ONE), True, (hash_of(ONE),)),
        CodeFile("data/b", len(TWO), parts=(hash_of(TWO),)),
        CodeFile("link", link="a.py"),
    ]
    user = builders.member(project=project)
    made, *_ = snapshots.create(project=project, user=user, files=files, origin=snapshots.GitOrigin(commit="a" * 40))
    index = [[hash_of(one), len(one)] for one in (ONE, TWO)]
    blobs.store(made, manifest.blobs(files), io.BytesIO(json.dumps(index).encode() + b"\n" + ONE + TWO))
    return snapshots.complete(made)


@pytest.fixture
def new_run(snapshot, tmp_path):
    node = builders.node()

    def make():
        job = builders.job(project=snapshot.project, snapshot=snapshot, state="queued")
        placement = builders.placement(attempt=builders.attempt(job=job), node=node)
        [claimed] = claims.claim([PlacementRef(placement.pk, str(placement.attempt.token))], node_id=node.pk)
        folder = tmp_path / "attempts" / str(placement.pk)
        folder.mkdir(parents=True)
        return PlacementRun(claimed, folder, lease_deadline=0)

    return make


@pytest.fixture
def node_code(tmp_path):
    made = NodeCode(tmp_path / "cache", Room())
    made.start()
    return made


@pytest.fixture
def sent(monkeypatch):
    found, stream = [], blobs.stream

    def counted(wanted):
        found.append([blob.sha256 for blob in wanted])
        return stream(wanted)

    monkeypatch.setattr(blobs, "stream", counted)
    return found


def test_a_run_gets_a_private_copy(node_code, new_run):
    run = new_run()
    assert node_code.prepare(run) is None
    copy = run.folder / COPY
    assert (copy / "a.py").read_bytes() == ONE
    assert (copy / "a.py").stat().st_mode & 0o777 == 0o755
    assert (copy / "data" / "b").read_bytes() == TWO
    assert (copy / "link").readlink().name == "a.py"


def test_a_job_without_code_asks_nobody(node_code, new_run, settings):
    run = new_run()
    run.claimed = replace(run.claimed, code="")
    settings.CODE_URL = "http://127.0.0.1:9"
    assert node_code.prepare(run) is None
    assert not (run.folder / COPY).exists()


def test_many_that_begin_at_once_fetch_once(node_code, new_run, sent):
    runs = [new_run() for _ in range(5)]
    threads = [threading.Thread(target=node_code.prepare, args=(run,)) for run in runs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [sorted(one) for one in sent] == [sorted([hash_of(ONE), hash_of(TWO)])]
    assert all((run.folder / COPY / "a.py").read_bytes() == ONE for run in runs)


def test_what_was_spoilt_in_the_cache_is_fetched_again(node_code, new_run, sent, tmp_path):
    node_code.prepare(new_run())
    (tmp_path / "cache" / hash_of(ONE)[:2] / hash_of(ONE)).write_bytes(b"evil")
    for path in (tmp_path / "cache" / "manifests").iterdir():
        path.write_text('{"files": [], "origin": "x"}')
    run = new_run()
    assert node_code.prepare(run) is None
    assert (run.folder / COPY / "a.py").read_bytes() == ONE
    assert sent[1:] == [[hash_of(ONE)]]


def test_half_a_copy_of_a_try_before_is_made_anew(node_code, new_run):
    run = new_run()
    (run.folder / COPY / "data").mkdir(parents=True)
    (run.folder / COPY / "data" / "b").write_text("half")
    assert node_code.prepare(run) is None
    assert (run.folder / COPY / "data" / "b").read_bytes() == TWO


def test_a_site_that_is_away_for_a_moment_is_asked_again(node_code, new_run, monkeypatch):
    monkeypatch.setattr(blobs, "read_range", failing_first(read_range, 1))
    assert node_code.prepare(new_run()) is None


def failing_first(read, times):
    left = [None] * times

    def attempt(*arguments):
        if left:
            left.pop()
            raise OSError("away")
        return read(*arguments)

    return attempt


def test_what_is_spoilt_in_the_storage_ends_the_attempt_with_its_reason(node_code, new_run, settings, tmp_path):
    settings.CODE_FETCH_SECONDS = 1
    pack = CodePack.objects.get()
    path = tmp_path / "storage" / pack.name
    path.write_bytes(b"x" * path.stat().st_size)
    ending = node_code.prepare(new_run())
    assert ending.reason == EndReason.CODE_UNAVAILABLE
    assert "has another hash" in ending.message


@pytest.mark.parametrize("url", ["", "http://127.0.0.1:9"])
def test_a_node_that_reaches_nobody_says_so(node_code, new_run, settings, url):
    settings.CODE_URL, settings.CODE_FETCH_SECONDS = url, 1
    ending = node_code.prepare(new_run())
    assert ending.reason == EndReason.CODE_UNAVAILABLE
    assert "TRAINYARD_CODE_URL" in ending.message if not url else url in ending.message


def test_who_has_lost_the_placement_is_not_asked_for_twice(node_code, new_run):
    run = new_run()
    run.claimed = replace(run.claimed, token="0" * 32)
    began = time.monotonic()
    ending = node_code.prepare(run)
    assert (ending.reason, time.monotonic() - began < 3) == (EndReason.CODE_UNAVAILABLE, True)
    assert "404" in ending.message


def test_that_costs_no_owner_a_retry_and_blames_no_node():
    meaning = MEANINGS[EndReason.CODE_UNAVAILABLE]
    assert (meaning.payer, meaning.suspicion) == (RetryBudget.PLATFORM, NodeSuspicion.NEVER)


def test_no_room_is_said_in_words_and_counts_as_a_full_disk(new_run, tmp_path):
    full = NodeCode(tmp_path / "cache", Room(0))
    full.start()
    run = new_run()
    with pytest.raises(OSError, match="no room for the job's code") as refused:
        full.prepare(run)
    assert run.failed_to_start(refused.value).reason == EndReason.DISK_FULL


def test_a_job_that_is_cancelled_while_its_code_comes_ends_at_once(node_code, new_run, settings):
    settings.CODE_URL, settings.CODE_FETCH_SECONDS = "http://127.0.0.1:9", 600
    run, endings = new_run(), []
    thread = threading.Thread(target=lambda: endings.append(node_code.prepare(run)))
    thread.start()
    run.stop(EndReason.CANCELLED)
    thread.join(10)
    assert [one.reason for one in endings] == [EndReason.CANCELLED]


def test_who_waits_for_its_code_is_not_taken_for_one_that_hangs(node_code, new_run, settings, monkeypatch):
    run = new_run()
    monkeypatch.setattr(settings, "START_SECONDS", -1)
    run._start_due = 0
    assert run.hangs
    with run.getting_ready():
        assert not run.hangs
    monkeypatch.setattr(settings, "START_SECONDS", 60)
    with run.getting_ready():
        pass
    assert not run.hangs
