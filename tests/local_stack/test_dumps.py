"""The embedded database is backed up to one file, and comes back from it whole or not at all."""

import stat

import psycopg
import pytest

from local_stack.servers import dumps
from local_stack.servers.errors import StackError
from local_stack.servers.home import Home


def run(url, *statements):
    with psycopg.connect(url) as connection:
        return [connection.execute(one) for one in statements][-1].fetchall()


@pytest.fixture
def home(tmp_path):
    return Home(tmp_path / "home")


@pytest.fixture
def backup(home, tmp_path):
    """A home whose database changed after it was backed up."""
    with dumps.resting_server(home) as url:
        run(url, "CREATE TABLE jobs (id int); INSERT INTO jobs VALUES (1), (2)", "SELECT 1")
        dumps.back_up(url, tmp_path / "trainyard.dump")
        run(url, "DELETE FROM jobs; CREATE TABLE later (id int)", "SELECT 1")
    return tmp_path / "trainyard.dump"


def test_a_restored_database_is_that_of_the_backup_and_nothing_else(home, backup):
    with dumps.resting_server(home) as url:
        dumps.restore(url, backup)

        assert run(url, "SELECT id FROM jobs ORDER BY id") == [(1,), (2,)]
        assert run(url, "SELECT to_regclass('later')") == [(None,)]


def test_policies_of_roles_that_are_not_there_keep_nothing_from_being_restored(home, tmp_path):
    """As on a new server: who may do what is told anew there, by `manage.py agent_rights`."""
    dump = tmp_path / "trainyard.dump"
    policy = "CREATE POLICY mine ON jobs AS RESTRICTIVE TO someone USING (false)"
    with dumps.resting_server(home) as url:
        run(url, "CREATE ROLE someone; CREATE TABLE jobs (id int); INSERT INTO jobs VALUES (1)", "SELECT 1")
        run(
            url,
            "ALTER TABLE jobs ENABLE ROW LEVEL SECURITY",
            policy,
            "COMMENT ON POLICY mine ON jobs IS 'x'",
            "SELECT 1",
        )
        dumps.back_up(url, dump)
        run(url, "DROP OWNED BY someone; DROP ROLE someone", "SELECT 1")

        dumps.restore(url, dump)

        assert run(url, "SELECT id FROM jobs") == [(1,)]
        assert run(url, "SELECT relrowsecurity FROM pg_class WHERE relname = 'jobs'") == [(False,)]


def test_a_backup_is_for_its_owner_s_eyes_only(backup):
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600


def test_a_file_that_is_no_backup_changes_nothing(home, backup, tmp_path):
    broken = tmp_path / "broken.dump"
    broken.write_bytes(backup.read_bytes()[: backup.stat().st_size // 2])

    with dumps.resting_server(home) as url:
        with pytest.raises(StackError, match="pg_restore"):
            dumps.restore(url, broken)
        assert run(url, "SELECT to_regclass('later') IS NOT NULL") == [(True,)]


def test_nothing_is_restored_under_somebody_who_is_at_work(home, backup):
    with (
        dumps.resting_server(home) as url,
        psycopg.connect(url),
        pytest.raises(StackError, match="1 other connections"),
    ):
        dumps.restore(url, backup)


def test_a_folder_that_cannot_be_written_is_named(home, tmp_path):
    with dumps.resting_server(home) as url, pytest.raises(StackError, match="cannot be written"):
        dumps.back_up(url, tmp_path / "nowhere" / "trainyard.dump")


def test_a_home_whose_stack_runs_is_not_started_twice(home):
    with dumps.resting_server(home), pytest.raises(StackError, match="already runs"), dumps.resting_server(home):
        pass


def test_without_the_embedded_server_the_system_s_programs_are_used_or_named(monkeypatch, tmp_path):
    def not_installed():
        raise StackError("not installed")

    monkeypatch.setattr("local_stack.servers.postgres.binaries", not_installed)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(StackError, match="pg_dump is not installed: install PostgreSQL's client programs"):
        dumps.back_up("postgresql://nobody@127.0.0.1/none", tmp_path / "x.dump")
    (tmp_path / "pg_dump").write_text("#!/bin/sh\necho 'the dump'\n")
    (tmp_path / "pg_dump").chmod(0o755)
    dumps.back_up("postgresql://nobody@127.0.0.1/none", tmp_path / "x.dump")
    assert (tmp_path / "x.dump").read_text() == "the dump\n"
