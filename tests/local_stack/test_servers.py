"""PostgreSQL and Valkey as `manage.py up` runs them."""

import os
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import psutil
import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from local_stack.servers import parent_death, postgres
from local_stack.servers.errors import StackError
from local_stack.servers.ports import is_free
from tests.servers import Broker, RunningServer
from tests.waiting import wait_for


def test_committed_rows_survive_a_killed_database(postgres_server: RunningServer):
    with psycopg.connect(postgres_server.url) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 1 AS one")
    postgres_server.kill()
    postgres_server.start()
    with psycopg.connect(postgres_server.url) as connection:
        assert connection.execute("SELECT one FROM kept").fetchone() == (1,)


def test_the_database_wants_its_password(postgres_server: RunningServer):
    wrong = replace(postgres_server.server, password="wrong").url
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong, connect_timeout=2)


def test_a_recycled_process_id_in_the_lock_file_does_not_stop_the_database(postgres_server: RunningServer):
    postgres_server.kill()
    lock = postgres_server.server.data / "postmaster.pid"
    wait_for(lambda: is_free(postgres_server.server.port), message="the port to be free again")
    lock.write_text("\n".join([str(os.getppid()), *lock.read_text().split("\n")[1:]]))
    postgres_server.start()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root has to step down")
def test_root_runs_the_database_where_user_namespaces_are_closed(
    postgres_server: RunningServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    postgres_server.stop()
    for tool in ("setpriv", "true"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or "")
    monkeypatch.setenv("PATH", str(tmp_path))  # without unshare
    postgres.step_down.cache_clear()
    try:
        postgres_server.start()
        assert postgres_server.process
        assert psutil.Process(postgres_server.process.pid).uids().real == 65534
    finally:
        postgres.step_down.cache_clear()


def test_data_of_another_major_version_is_refused_with_advice(tmp_path: Path):
    server = postgres.PostgresServer(tmp_path, 1, "secret")
    (tmp_path / "PG_VERSION").write_text("12\n")
    with pytest.raises(StackError, match=r"PostgreSQL 12, and this is PostgreSQL 18.*TRAINYARD_HOME"):
        server.prepare()


def test_messages_survive_a_restart_of_the_broker_but_not_a_wipe(broker: Broker):
    with redis.Redis.from_url(broker.url, decode_responses=True) as client:
        client.rpush("queue", "ticket")
        broker.restart()
        assert client.lrange("queue", 0, -1) == ["ticket"]
        broker.wipe()
        assert client.lrange("queue", 0, -1) == []


def test_the_broker_wants_its_password_and_never_evicts(broker: Broker):
    with redis.Redis.from_url(broker.url, decode_responses=True) as client:
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
    without_password = redis.Redis(port=broker.server.port, retry=Retry(NoBackoff(), 0))
    with pytest.raises(redis.AuthenticationError):
        without_password.ping()


@pytest.mark.skipif(not parent_death.signalled_with("KILL"), reason="this system cannot bind a child to its parent")
def test_a_child_ends_with_its_killed_parent():
    script = "import subprocess,sys,time; print(subprocess.Popen(sys.argv[1:]).pid, flush=True); time.sleep(60)"
    command = [*parent_death.signalled_with("KILL"), "sleep", "61"]
    parent = subprocess.Popen(["python3", "-c", script, *command], stdout=subprocess.PIPE, text=True)
    assert parent.stdout
    child = Path("/proc", parent.stdout.readline().strip())
    wait_for(lambda: (child / "cmdline").read_bytes().startswith(b"sleep"), 10, "the child to be bound to its parent")
    parent.kill()
    parent.communicate()
    wait_for(lambda: not child.exists() or "\nState:\tZ" in (child / "status").read_text(), 5, "the child to end")
