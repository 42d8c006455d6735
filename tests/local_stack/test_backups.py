"""A backup as a folder: what is in it, what is refused, and what a restored database no longer takes from agents of after it."""

import io
import json

import psycopg
import pytest
from django.conf import settings
from django.core.management import CommandError, call_command
from django.db import connection

from jobs.models import Attempt, Job, Placement
from local_stack.backups import drill, fence, fingerprint, folder
from local_stack.servers import dumps
from local_stack.servers.errors import StackError
from tests import builders
from tests.acceptance.platform import database_address

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def logs(settings, tmp_path):
    """Where stored logs lie; one is there."""
    where = tmp_path / "logs"
    (where / "1").mkdir(parents=True)
    (where / "1" / "1-0.log.gz").write_bytes(b"text")
    settings.STORAGES = {**settings.STORAGES, "logs": {"BACKEND": settings.FILES, "OPTIONS": {"location": str(where)}}}
    return where


@pytest.fixture
def backup(logs, tmp_path):
    """Of a platform on which one job runs, and one more waits to be claimed."""
    builders.running_job(node=builders.node(name="n1"))
    builders.placement(state="placed")
    folder.write(database_address(), tmp_path / "backup")
    return tmp_path / "backup"


@pytest.fixture
def copy():
    with drill.scratch_database(database_address()) as url:
        yield url


def ask(url, question):
    with psycopg.connect(url) as connected:
        return connected.execute(question).fetchall()


def restore(url, backup):
    dumps.restore(url, backup / folder.DUMP, before=fence.REMEMBER_IDS, after=fence.fence_sql())


def test_a_copy_holds_the_same_to_the_last_row(backup, copy):
    manifest = folder.read(backup)
    dumps.restore(copy, backup / folder.DUMP)
    assert manifest.tables["jobs_job"].rows == 2
    assert fingerprint.differences(manifest.tables, fingerprint.tables_of(copy)) == []
    with psycopg.connect(copy) as connected:
        connected.execute("UPDATE jobs_job SET name = 'other' WHERE id = (SELECT min(id) FROM jobs_job)")
    assert fingerprint.differences(manifest.tables, fingerprint.tables_of(copy)) == [
        "jobs_job: 2 rows in both, and they are not the same"
    ]


def test_what_is_written_meanwhile_is_in_neither_dump_nor_figures(logs, copy, tmp_path, monkeypatch):
    builders.running_job()
    back_up = dumps.back_up

    def slowly(*words, **more):
        builders.running_job()
        back_up(*words, **more)

    monkeypatch.setattr(dumps, "back_up", slowly)
    manifest = folder.write(database_address(), tmp_path / "backup")
    dumps.restore(copy, tmp_path / "backup" / folder.DUMP)
    assert fingerprint.differences(manifest.tables, fingerprint.tables_of(copy)) == []
    assert ask(copy, "SELECT count(*) FROM jobs_job") == [(1,)]


def test_logs_are_in_it_and_come_back_where_they_are_gone(backup, logs):
    (logs / "1" / "1-0.log.gz").unlink()
    (logs / "2").mkdir()
    (logs / "2" / "newer").write_bytes(b"newer")
    assert folder.restore_objects(backup) == 1
    assert (logs / "1" / "1-0.log.gz").read_bytes() == b"text"
    assert (logs / "2" / "newer").exists()


@pytest.mark.parametrize("inside", ["code", "logs/code"])
def test_code_is_in_it_and_comes_back_where_it_is_gone(logs, settings, tmp_path, inside):
    code = tmp_path / inside
    (code / "7").mkdir(parents=True)
    (code / "7" / "one.pack").write_bytes(b"code")
    there = {"BACKEND": settings.FILES, "OPTIONS": {"location": str(code)}}
    settings.STORAGES = {**settings.STORAGES, "code": there}
    folder.write(database_address(), tmp_path / "backup")
    (code / "7" / "one.pack").unlink()
    folder.restore_objects(tmp_path / "backup")
    assert (code / "7" / "one.pack").read_bytes() == b"code"
    assert len(list((tmp_path / "backup").rglob("one.pack"))) == 1


def test_no_token_and_no_number_of_a_lost_span_comes_again(backup, copy):
    """Over a database that went further than the backup: what it gave out since is not given out again either."""
    tokens = set(Attempt.objects.values_list("token", flat=True))
    dumps.restore(copy, backup / folder.DUMP)
    with psycopg.connect(copy) as connected:
        connected.execute("SELECT setval('jobs_job_id_seq', 5000000)")
        connected.execute("UPDATE jobs_placement SET lease_expires_at = now() - interval '1 hour'")
    restore(copy, backup)
    assert not tokens & {token for (token,) in ask(copy, "SELECT token FROM jobs_attempt")}
    assert ask(copy, "SELECT nextval('jobs_job_id_seq') > 6000000, nextval('jobs_placement_id_seq') > 1000000") == [
        (True, True)
    ]
    open_leases = (
        "SELECT lease_expires_at > now() + make_interval(secs => %s - 60) FROM jobs_placement WHERE state = 'running'"
    )
    assert ask(copy, open_leases % settings.LEASE_SECONDS) == [(True,)]
    assert ask(copy, "SELECT count(*) FROM jobs_jobevent WHERE kind = 'restored'") == [(2,)]


def test_a_backup_that_was_changed_is_refused(backup):
    with (backup / folder.DUMP).open("ab") as file:
        file.write(b"x")
    with pytest.raises(StackError, match="its checksum is another one"):
        folder.read(backup)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"tables": 1}', '{"tables": {}, "odd": 1}'])
def test_a_folder_that_is_no_backup_is_refused(tmp_path, text):
    (tmp_path / folder.MANIFEST).write_text(text)
    with pytest.raises(StackError, match="is no backup"):
        folder.read(tmp_path)


def test_a_backup_of_a_later_format_names_its_release(backup):
    told = json.loads((backup / folder.MANIFEST).read_text())
    (backup / folder.MANIFEST).write_text(json.dumps({**told, "format": 9, "release": "7.0"}))
    with pytest.raises(StackError, match=r"release 7\.0"):
        folder.read(backup)


def test_a_folder_with_something_in_it_is_left_alone(logs, tmp_path):
    with pytest.raises(StackError, match="not empty"):
        folder.write(database_address(), logs)
    assert [path.name for path in tmp_path.iterdir()] == ["logs"]


def test_a_database_that_holds_work_is_replaced_only_when_that_is_meant(backup, monkeypatch):
    monkeypatch.setenv("DATABASE_URL", database_address())
    monkeypatch.setattr(settings, "DATABASE_URL", database_address())
    with pytest.raises(CommandError, match="with --yes it is replaced"):
        call_command("restore", str(backup))
    assert Job.objects.count() == 2


def test_an_empty_database_needs_no_consent(copy):
    assert dumps.holds_work(database_address()) is False
    assert dumps.holds_work(copy) is False
    builders.user()
    assert dumps.holds_work(database_address()) is True


def test_a_drill_proves_a_copy_and_leaves_nothing(logs, monkeypatch):
    builders.running_job(node=builders.node(name="n1"))
    builders.job()
    monkeypatch.setenv("DATABASE_URL", database_address())
    monkeypatch.setattr(settings, "DATABASE_URL", database_address())
    said = io.StringIO()
    call_command("backup", "--drill", stdout=said)
    for words in (
        "every table has the same rows and checksum",
        "check finds nothing wrong",
        "the ledger is in balance",
        "1 jobs would start, 0 would wait",
        "1 attempts were open",
        "The drill went well",
    ):
        assert words in said.getvalue()
    assert Placement.objects.count() == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_database WHERE datname LIKE 'trainyard_drill%'")
        assert cursor.fetchone() == (0,)


def test_a_drill_says_what_does_not_hold(logs, copy, monkeypatch, tmp_path):
    monkeypatch.setattr(dumps, "restore", lambda *_, **__: None)
    with pytest.raises(StackError, match="only in the backup"):
        drill.rehearse(database_address(), tmp_path / "backup", copy, lambda _: None)
