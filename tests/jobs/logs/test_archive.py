"""Logs of ended attempts go into the storage: whole, once, whatever fails on the way, and nobody who reads can tell."""

import gzip
import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from django.core.files.storage import Storage
from django.core.files.storage.memory import InMemoryStorage
from django.db import connection
from django.utils import timezone

from console.admin import log_tail
from jobs.logs import archive, object_store, reader, retention
from jobs.models import Job
from jobs.models.logs import FollowedLog, LogChunk, StoredLog
from jobs.state import alerts
from jobs.storage import objects as storage_objects
from scheduling.errors import UnavailableError
from tests import builders
from tests import s3 as s3_servers
from tests.rest import V1, client_of

pytestmark = pytest.mark.django_db
MB = 2**20


@pytest.fixture(scope="module")
def s3_server() -> Iterator[str]:
    with s3_servers.server() as url:
        yield url


@pytest.fixture
def s3(s3_server, settings):
    with s3_servers.storage(s3_server, settings, "logs") as bucket:
        yield bucket


@pytest.fixture
def folder(settings, tmp_path) -> Path:
    settings.STORAGES = settings.STORAGES | {"logs": {"BACKEND": settings.FILES, "OPTIONS": {"location": tmp_path}}}
    return tmp_path


@pytest.fixture(params=["folder", "s3"])
def storage(request) -> Storage:
    """Each kind that there is."""
    request.getfixturevalue(request.param)
    return object_store.storage()


def ended(*texts, **fields):
    """An attempt that printed this and is over, of a job that is over."""
    job = builders.job(state="completed", **fields)
    attempt = builders.attempt(job=job, ended_at=timezone.now(), end_reason="completed")
    for text in texts:
        builders.log(attempt=attempt, data=text)
    return attempt


def whole(attempt, offset=0):
    return b"".join(reader.pieces(attempt, offset))


def objects(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


def noise(size):
    return random.Random(0).randbytes(size)  # noqa: S311 - bytes that no gzip makes smaller


def test_a_log_moves_and_reads_as_before(storage):
    data = noise(3 * MB + 17)
    attempt = ended(*(data[at : at + 300_000] for at in range(0, len(data), 300_000)))
    before = [reader.read(attempt, offset, 5000) for offset in (0, 17, MB - 3, 2 * MB, 3 * MB, -99, 9 * MB)]
    assert archive.archive() == 1
    assert not LogChunk.objects.exists()
    assert whole(attempt) == data
    assert whole(attempt, 2 * MB + 5) == data[2 * MB + 5 :]
    assert [reader.read(attempt, offset, 5000) for offset in (0, 17, MB - 3, 2 * MB, 3 * MB, -99, 9 * MB)] == before


def test_anybody_can_unpack_an_object(folder):
    ended("one\n", "two\n")
    archive.archive()
    [path] = objects(folder)
    assert gzip.decompress(path.read_bytes()) == b"one\ntwo\n"


def test_a_place_far_into_a_log_is_read_without_the_rest(storage, monkeypatch):
    attempt = ended(*[noise(MB)] * 8)
    archive.archive()
    asked = []
    read_range = storage_objects.read_range

    def remember(storage, name, start, size):
        asked.append(size)
        return read_range(storage, name, start, size)

    monkeypatch.setattr(object_store, "read_range", remember)
    assert reader.read(attempt, 7 * MB + 5, 1000).next_offset >= 7 * MB + 1000
    assert sum(asked) < 1.1 * MB


def test_gaps_are_on_record_afterwards(folder):
    attempt = ended("one\n")
    builders.log(attempt=attempt, data="[trainyard: gone]\n", gap="disk_full", missing=7)
    before = reader.read(attempt, 0)
    archive.archive()
    assert reader.read(attempt, 0) == before
    assert before.gaps[0].missing == 7


def test_each_member_of_a_gang_has_an_object_of_its_own(folder):
    attempt = ended("zero\n")
    builders.log(attempt=attempt, rank=1, data="one\n")
    assert archive.archive() == 2
    assert [b"".join(reader.pieces(attempt, 0, rank=rank)) for rank in (0, 1)] == [b"zero\n", b"one\n"]


def test_an_attempt_that_is_not_over_keeps_its_rows(folder):
    builders.log()
    assert (archive.archive(), LogChunk.objects.count()) == (0, 1)


class Interrupted(BaseException):
    """The process dies here."""


@pytest.mark.parametrize("where", ["pack", "save", "make_durable", "_checksum"])
def test_a_pass_that_dies_leaves_the_rows_and_the_next_one_leaves_one_object(folder, monkeypatch, where):
    attempt = ended("one\n", "two\n")

    def die(*args):
        raise Interrupted

    with monkeypatch.context() as dying:
        dying.setattr(object_store, where, die)
        with pytest.raises(Interrupted):
            archive.archive()
    assert (LogChunk.objects.count(), whole(attempt)) == (2, b"one\ntwo\n")
    assert archive.archive() == 1
    assert (len(objects(folder)), whole(attempt)) == (1, b"one\ntwo\n")


def test_a_pass_that_dies_while_it_deletes_rows_is_finished_by_the_next(folder, monkeypatch):
    attempt = ended("one\n", "two\n")

    def delete_some(attempt_id, rank):
        LogChunk.objects.filter(number=1).delete()
        raise Interrupted

    with monkeypatch.context() as dying:
        dying.setattr(archive, "delete_rows", delete_some)
        with pytest.raises(Interrupted):
            archive.archive()
    assert whole(attempt) == b"one\ntwo\n"
    archive.archive()
    assert (LogChunk.objects.count(), len(objects(folder)), whole(attempt)) == (0, 1, b"one\ntwo\n")


def test_who_was_overtaken_takes_its_object_away_and_deletes_nothing(folder, monkeypatch):
    attempt = ended("one\n")
    save = object_store.save

    def slow_save(name, file, packed):
        save(name, file, packed)
        StoredLog.objects.update(name="another/one.log.gz")

    monkeypatch.setattr(object_store, "save", slow_save)
    archive.archive()
    assert (objects(folder), whole(attempt)) == ([], b"one\n")
    assert LogChunk.objects.count() == 1


def test_a_second_pass_beside_the_first_does_nothing(folder):
    ended("one\n")
    another = connection.copy()
    with another.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_lock(%s)", [archive.ARCHIVE_LOCK])
        assert (archive.archive(), retention.prune()) == (0, 0)
        cursor.execute("SELECT pg_advisory_unlock(%s)", [archive.ARCHIVE_LOCK])
    another.close()
    assert archive.archive() == 1


class Broken(InMemoryStorage):
    """A storage that is away, or that does not keep what it was given."""

    how = "away"

    def _save(self, name, content):
        if self.how == "away":
            raise OSError("no route to the storage")
        content.read(3)
        return super()._save(name, content)  # type: ignore[misc]


@pytest.mark.parametrize("how", ["away", "keeps half"])
def test_a_storage_that_fails_costs_nothing_but_an_alert_for_as_long_as_it_lasts(settings, monkeypatch, folder, how):
    attempt = ended("one\n")
    monkeypatch.setattr(Broken, "how", how)
    good = settings.STORAGES
    settings.STORAGES = good | {"logs": {"BACKEND": "tests.jobs.logs.test_archive.Broken"}}
    assert archive.archive() == 0
    assert whole(attempt) == b"one\n"
    info = client_of(builders.user(staff=True)).get(f"{V1}/jobs/scheduler/info").json()
    assert "Logs stay in the database" in info["alerts"][0]
    settings.STORAGES = good
    assert archive.archive() == 1
    assert alerts.active() == []


def test_a_log_that_cannot_be_stored_does_not_hold_up_the_others(folder, monkeypatch):
    bad, good = ended("bad\n"), ended("good\n")
    store = archive._store

    def picky(entry):
        if entry.attempt_id == bad.pk:
            raise ValueError("not this one")
        return store(entry)

    monkeypatch.setattr(archive, "_store", picky)
    assert archive.archive() == 1
    assert list(LogChunk.objects.values_list("attempt", flat=True)) == [bad.pk]
    assert (whole(bad), whole(good)) == (b"bad\n", b"good\n")


def test_an_object_that_is_gone_leaves_a_line_in_its_place(storage):
    attempt = ended("one\n")
    archive.archive()
    storage.delete(StoredLog.objects.get().name)
    piece = reader.read(attempt, 0)
    assert (piece.next_offset, piece.complete, piece.gaps[0].missing) == (4, True, 4)
    assert (
        piece.text == "[trainyard: 4 bytes of output are missing here: they cannot be read in the storage any more]\n"
    )


def test_a_spoilt_block_costs_that_block_alone(folder):
    attempt = ended(noise(MB), "the end\n")
    archive.archive()
    [path] = objects(folder)
    spoilt = bytearray(path.read_bytes())
    spoilt[1000] ^= 255
    path.write_bytes(spoilt)
    assert reader.read(attempt, 0).gaps[0].missing == MB
    assert whole(attempt, MB) == b"the end\n"


def test_a_storage_that_does_not_answer_is_no_gap_but_a_503(s3, settings):
    attempt = ended("one\n")
    archive.archive()
    options = settings.STORAGES["logs"]["OPTIONS"] | {"endpoint_url": "http://127.0.0.1:9"}
    settings.STORAGES = settings.STORAGES | {"logs": {"BACKEND": "jobs.storage.s3.S3Objects", "OPTIONS": options}}
    with pytest.raises(UnavailableError):
        reader.read(attempt, 0)
    client = client_of(builders.user(staff=True))
    for query in ("", "?format=text"):
        response = client.get(f"{V1}/jobs/{attempt.job_id}/logs{query}")
        assert (response.status_code, response["Retry-After"]) == (503, "5")
    assert "does not answer" in log_tail.tail(attempt).text


def age(attempt, days):
    then = timezone.now() - timedelta(days=days)
    Job.objects.filter(pk=attempt.job_id).update(finished_at=then)
    StoredLog.objects.filter(attempt=attempt).update(stored_at=then)


def test_old_logs_are_forgotten_and_young_ones_kept(storage):
    old, young = ended("old\n"), ended("young\n")
    archive.archive()
    age(old, 31)
    gone = StoredLog.objects.get(attempt=old).name
    assert retention.prune() == 1
    assert (whole(old), whole(young), storage.exists(gone)) == (b"", b"young\n", False)


def test_old_rows_that_never_got_into_the_storage_are_forgotten_too(folder):
    old, young = ended("old\n"), ended("young\n")
    age(old, 31)
    builders.log(attempt=builders.attempt(job=builders.job(state="running")))
    retention.prune()
    assert not old.log_chunks.exists()
    assert (young.log_chunks.count(), LogChunk.objects.count()) == (1, 2)


def test_the_object_of_a_job_that_was_deleted_goes_too(folder):
    attempt = ended("one\n")
    archive.archive()
    attempt.job.delete()
    assert len(objects(folder)) == 1
    retention.prune()
    assert (objects(folder), StoredLog.objects.count()) == ([], 0)


def test_objects_that_cannot_be_deleted_now_are_deleted_later(folder, monkeypatch):
    attempt = ended("one\n")
    archive.archive()
    age(attempt, 31)

    def fail(self, name):
        raise OSError("no route to the storage")

    with monkeypatch.context() as away:
        away.setattr(type(object_store.storage()), "delete", fail)
        retention.prune()
    assert "could not be deleted" in alerts.active()[0]
    retention.prune()
    assert (objects(folder), alerts.active()) == ([], [])


def test_followers_of_long_ago_are_forgotten(folder):
    FollowedLog.objects.create(attempt=ended(), until=timezone.now() - timedelta(days=1))
    retention.prune()
    assert not FollowedLog.objects.exists()
